//! What ends web sessions that idle: Odoo itself never does in less than a week.

use super::{ServiceStack, odoo};
use crate::{
    formats::{
        Unwritable,
        unit::{UnitFile, Word},
    },
    modules::ids,
    system::{Contributor, Enabled, Sandbox},
    value::AbsolutePath,
};

/// The unit that deletes them.
const REAPER: &str = "odoo-sessions.service";
/// What starts it.
const TIMER: &str = "odoo-sessions.timer";

impl ServiceStack {
    pub(super) fn contribute_sessions(&self, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        system.unit(REAPER, self.reaper()?, Enabled::Static);
        let mut timer = UnitFile::new();
        timer.section("Unit").set("Description", "End idle sessions of Odoo each hour");
        timer.section("Timer").calendar("hourly")?.set("AccuracySec", "1min").set("Persistent", "yes");
        system.unit(TIMER, timer, Enabled::WantedBy("timers.target"));
        Ok(())
    }

    fn reaper(&self) -> Result<UnitFile, Unwritable> {
        let sessions = AbsolutePath::known(odoo::HOME).join("sessions");
        let mut unit = UnitFile::new();
        unit.section("Unit").set("Description", "End idle sessions of Odoo");
        let mut service = unit.section("Service");
        let command = [
            Word::from("/usr/bin/find"),
            Word::from(sessions.as_str()),
            Word::Literal("-ignore_readdir_race"),
            Word::Literal("-type"),
            Word::Literal("f"),
            Word::Literal("-mmin"),
            Word::Prefixed("+", self.odoo_session_timeout.to_string()),
            Word::Literal("-delete"),
        ];
        service.set("Type", "oneshot").command("ExecStart", command)?;
        Sandbox::of(&ids::ODOO.user()).writes([sessions]).apply(&mut service)?;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;
