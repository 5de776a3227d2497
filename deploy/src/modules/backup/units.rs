//! The units: two that back up by the clock, one that verifies, one that restores, and the disk.

use super::{Backup, IDENTITY, Subject, scripts};
use crate::{
    formats::{
        Unwritable,
        unit::{Section, UnitFile, Word, path_name},
    },
    system::{Network, Sandbox},
    value::{AbsolutePath, Calendar},
};

const HOT: &str = "odbox-backup-hot";
const COLD: &str = "odbox-backup-cold";
const VERIFY: &str = "odbox-backup-verify.service";
const RESTORE: &str = "odbox-restore.service";
/// Of a backup by its name: `odbox-restore@2027-01-31T020000Z-cold.service`.
const RESTORE_ONE: &str = "odbox-restore@.service";
const RESUME: &str = "odbox-odoo-resume.service";

impl Subject<'_> {
    /// The services by their names.
    pub(super) fn services(&self) -> Result<Vec<(String, UnitFile)>, Unwritable> {
        let restore = |words: &[Word]| {
            let mut unit = self.pausing("Restore Odoo's data from a backup", words, &self.restoring())?;
            forget(&mut unit.section("Service"))?;
            Ok::<_, Unwritable>(unit)
        };
        Ok(vec![
            (format!("{HOT}.service"), self.hot()?),
            (format!("{COLD}.service"), self.cold()?),
            (VERIFY.to_owned(), self.verify()?),
            (RESTORE.to_owned(), restore(&[scripts::RESTORE.into()])?),
            (RESTORE_ONE.to_owned(), restore(&[scripts::RESTORE.into(), Word::Literal("%i")])?),
            (RESUME.to_owned(), resume()?),
        ])
    }

    fn hot(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = self.unit("Back up Odoo while it runs", &[scripts::BACKUP.into(), "hot".into()])?;
        self.making().apply(&mut unit.section("Service"))?;
        Ok(unit)
    }

    fn cold(&self) -> Result<UnitFile, Unwritable> {
        let words = [scripts::BACKUP.into(), "cold".into()];
        let mut unit = self.pausing("Back up Odoo while it does not run", &words, &self.making())?;
        unit.section("Service").comment("Odoo waits no longer.").set("TimeoutStartSec", "3h");
        Ok(unit)
    }

    fn verify(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = self.unit("Restore the newest backup on trial", &[scripts::VERIFY.into()])?;
        let mut service = unit.section("Service");
        forget(&mut service)?;
        sandbox().apply(&mut service)?;
        Ok(unit)
    }

    /// Something for which Odoo stands still, and runs again afterwards, whatever comes of it: whoever kills what
    /// runs last of it does not kill what systemd starts then.
    fn pausing(&self, what: &'static str, words: &[Word], sandbox: &Sandbox) -> Result<UnitFile, Unwritable> {
        let mut unit = self.unit(what, words)?;
        unit.section("Unit").words("OnFailure", [RESUME])?;
        let mut service = unit.section("Service");
        service.command("ExecStopPost", ["/usr/bin/systemctl", "start", "--no-block", RESUME])?;
        sandbox.apply(&mut service)?;
        Ok(unit)
    }

    fn making(&self) -> Sandbox {
        sandbox().writes([self.backup.basedir.clone()])
    }

    fn restoring(&self) -> Sandbox {
        sandbox().writes([self.odoo.file_store.parent()])
    }

    fn unit(&self, what: &'static str, words: &[Word]) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", what)
            .comment("Without its disk there is no backup, least of all on another one.")
            .words("RequiresMountsFor", [self.backup.basedir.as_str()])?
            .words("After", [self.odoo.database_unit])?;
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").command("ExecStart", words)?;
        service.set("Nice", "10").set("IOSchedulingClass", "idle");
        memory(&mut service);
        Ok(unit)
    }
}

/// What waits until no backup and no restore is running any more, and needs no disk.
fn resume() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit").set("Description", "Start Odoo again after a backup or a restore");
    let mut service = unit.section("Service");
    service.set("Type", "oneshot").command("ExecStart", [scripts::RESUME])?;
    memory(&mut service);
    Sandbox::root().network(Network::Unix).apply(&mut service)?;
    Ok(unit)
}

/// The lock that all share, and whether Odoo is to run again.
fn memory(service: &mut Section<'_>) {
    service
        .set("RuntimeDirectory", "odbox-backup")
        .set("RuntimeDirectoryMode", "0700")
        .set("RuntimeDirectoryPreserve", "yes");
}

/// What opened a backup goes when that ended well: outside of the sandbox, in which nothing of it is written.
fn forget(service: &mut Section<'_>) -> Result<(), Unwritable> {
    service.command("ExecStartPost", ["+/usr/bin/rm", "--force", IDENTITY].map(Word::Literal))?;
    Ok(())
}

/// Root without its rights, who becomes Odoo for whatever has to do with its database and its files.
fn sandbox() -> Sandbox {
    Sandbox::root()
        .network(Network::Unix)
        .capabilities("CAP_SETGID CAP_SETUID")
        .system_calls("@setuid capset")
}

impl Backup {
    /// The timers by their names. What was missed is not made up: Odoo would stop by day.
    pub(super) fn timers(&self) -> Result<Vec<(String, UnitFile)>, Unwritable> {
        let mut timers = Vec::new();
        for (name, schedule) in [(HOT, &self.hot_schedule), (COLD, &self.cold_schedule)] {
            if !schedule.is_empty() {
                timers.push((format!("{name}.timer"), timer(schedule)?));
            }
        }
        Ok(timers)
    }

    /// The disk, by the name that systemd wants. Nothing of the boot waits for it.
    pub(super) fn mount(&self, device: &AbsolutePath) -> Result<(String, UnitFile), Unwritable> {
        let check = format!("systemd-fsck@{}", path_name(device, "service"));
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Disk for backups")
            .set("DefaultDependencies", "no")
            .set("Conflicts", "umount.target")
            .set("Before", "umount.target")
            .words("Wants", [check.as_str()])?
            .words("After", ["local-fs-pre.target", check.as_str()])?;
        unit.section("Mount")
            .path("What", device.as_str())?
            .path("Where", self.basedir.as_str())?
            .set("Options", "nodev,nosuid,noexec");
        Ok((path_name(&self.basedir, "mount"), unit))
    }
}

fn timer(schedule: &[Calendar]) -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit").set("Description", "Back up Odoo");
    for time in schedule {
        unit.section("Timer").calendar(time.as_str())?;
    }
    Ok(unit)
}
