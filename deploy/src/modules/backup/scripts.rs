//! The programs: the values that each needs, and then texts that are the same on every machine.

use super::{IDENTITY, RECIPIENTS, Subject};
use crate::formats::{Unwritable, shell};

pub(super) const BACKUP: &str = "/usr/local/lib/odbox/backup";
pub(super) const VERIFY: &str = "/usr/local/lib/odbox/backup-verify";
pub(super) const RESTORE: &str = "/usr/local/lib/odbox/backup-restore";
pub(super) const RESUME: &str = "/usr/local/lib/odbox/backup-resume-odoo";

const LOCK: &str = include_str!("scripts/lock.sh");
const PAUSE: &str = include_str!("scripts/pause.sh");
const COMMON: &str = include_str!("scripts/common.sh");
const LOADING: &str = include_str!("scripts/loading.sh");

impl Subject<'_> {
    /// The programs by their paths.
    pub(super) fn scripts(&self) -> Result<[(&'static str, String); 4], Unwritable> {
        let data = ["base", "owner", "role"];
        let making = ["odoo", "database", "store", "keep", "recipients"];
        let loading = ["admin", "identity"];
        let restoring = ["odoo", "database", "store", "setup"];
        let backup = [LOCK, COMMON, PAUSE, include_str!("scripts/backup.sh")];
        let verify = [LOCK, COMMON, LOADING, include_str!("scripts/verify.sh")];
        let restore = [LOCK, COMMON, LOADING, PAUSE, include_str!("scripts/restore.sh")];
        Ok([
            (BACKUP, self.script(&[&data[..], &making].concat(), &backup)?),
            (VERIFY, self.script(&[&data[..], &loading].concat(), &verify)?),
            (RESTORE, self.script(&[&data[..], &loading, &restoring].concat(), &restore)?),
            (RESUME, self.script(&["odoo"], &[LOCK, include_str!("scripts/resume.sh")])?),
        ])
    }

    fn script(&self, values: &[&str], parts: &[&str]) -> Result<String, Unwritable> {
        let mut script = "#!/bin/bash\nset -euo pipefail\n".to_owned();
        for name in values {
            script += &format!("{name}={}\n", quoted(&self.value(name))?);
        }
        Ok(script + &parts.concat())
    }

    fn value(&self, name: &str) -> String {
        let Self { backup, odoo, admin } = self;
        match name {
            "base" => backup.basedir.to_string(),
            "keep" => backup.keep.to_string(),
            "owner" => odoo.user.to_string(),
            "role" => odoo.role.to_string(),
            "database" => odoo.database.to_string(),
            "store" => odoo.file_store.to_string(),
            "odoo" => odoo.unit.to_owned(),
            "setup" => odoo.database_unit.to_owned(),
            "admin" => admin.to_string(),
            "identity" => IDENTITY.to_owned(),
            "recipients" if backup.encrypted => RECIPIENTS.to_owned(),
            _ => String::new(),
        }
    }
}

/// In quotes whatever it is: ShellCheck takes a bare word there for a command that was meant.
fn quoted(value: &str) -> Result<String, Unwritable> {
    let word = shell::word(value)?;
    Ok(if word == value { format!("'{word}'") } else { word })
}
