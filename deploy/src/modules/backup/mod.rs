//! `backup`: Odoo's database and file store, on a folder or a disk that only root sees.
//!
//! A backup is made beside those that are there and moved to its place when all of it is on the disk; `latest` is
//! the newest. Whoever restores one changes neither it nor, until it is whole, what Odoo has.

mod scripts;
#[cfg(test)]
mod tests;
mod units;

use super::{Module, OdooData, Registration, World};
use crate::{
    formats::Unwritable,
    node::Options,
    problem::Problem,
    system::{Contributor, Enabled, File},
    value::{AbsolutePath, Calendar, Count, DataPath, UserName},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "backup",
    summary: "backups of Odoo's database and files: hot while it runs, and cold while it does not",
    implies: "",
    read: |options| Box::new(Backup::read(options)),
};

const NAME: &str = "backup";
/// For whom backups are encrypted.
const RECIPIENTS: &str = "/etc/odbox/backup-recipients";
/// Where an operator puts an identity until an encrypted backup has been read; it is in memory.
const IDENTITY: &str = "/run/odbox-backup-identity";

struct Backup {
    basedir: AbsolutePath,
    device: Option<AbsolutePath>,
    hot_schedule: Vec<Calendar>,
    cold_schedule: Vec<Calendar>,
    keep: Count,
    encrypted: bool,
}

impl Backup {
    fn read(options: &mut Options<'_>) -> Self {
        let hot = ["11:00", "14:00", "16:00"].map(Calendar::known).to_vec();
        Self {
            basedir: options.get("basedir", DataPath::known("/backup")).path().clone(),
            device: options.optional("device"),
            hot_schedule: options.get("hot-schedule", hot),
            cold_schedule: options.get("cold-schedule", vec![Calendar::known("02:00")]),
            keep: options.get("keep", Count::new(7)),
            encrypted: options.get("encrypted", false),
        }
    }

    /// The public keys of those who may read what the policy says nothing else of.
    fn recipients(&self, world: &World<'_>) -> Result<String, Problem> {
        let problem = |message: String| Problem::new(message).about(NAME, "encrypted");
        let Some(vault) = world.vault else {
            let told = problem(
                "backups are encrypted to the vault's operators, and the node has no vault".to_owned(),
            );
            return Err(told.help("add [vault] to the node"));
        };
        let unlisted = "backup/unlisted".parse().expect("a name of ours is sound");
        let keys = &vault.verified().policy().secret(&unlisted).audience;
        if let Some(key) = keys.iter().find(|key| key.is_of_plugin()) {
            let told = problem(format!("the machine cannot encrypt to `{key}`, which takes a plugin of age"));
            return Err(told.help("give each operator a key that takes none, or write `encrypted = false`"));
        }
        Ok(keys.iter().map(|key| format!("{key}\n")).collect())
    }
}

/// What is backed up, and how it is reached.
struct Subject<'a> {
    backup: &'a Backup,
    odoo: &'a OdooData,
    /// The role of PostgreSQL that root is.
    admin: UserName,
}

impl Module for Backup {
    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let Some(odoo) = &world.offers.odoo else {
            let problem =
                Problem::new("there is nothing to back up: the node has no Odoo").about(NAME, "basedir");
            system.problem(problem.help("add [service-stack] to the node"));
            return Ok(());
        };
        let packages = ["postgresql-client-17", "rsync", "tar", "util-linux", "coreutils", "diffutils"];
        packages.into_iter().for_each(|package| system.package(package));
        system.file(self.basedir.clone(), File::folder().mode(0o700));
        if self.encrypted {
            system.package("age");
            match self.recipients(world) {
                Ok(text) => system.file(AbsolutePath::known(RECIPIENTS), File::text(text)),
                Err(problem) => system.problem(problem),
            }
        }
        let admin = world.offers.admin_user.clone().unwrap_or_else(|| UserName::known("admin"));
        let subject = Subject { backup: self, odoo, admin };
        for (path, script) in subject.scripts()? {
            system.file(AbsolutePath::known(path), File::script(script));
        }
        for (name, unit) in subject.services()? {
            system.unit(name, unit, Enabled::Static);
        }
        for (name, unit) in self.timers()? {
            system.unit(name, unit, Enabled::WantedBy("timers.target"));
        }
        if let Some(device) = &self.device {
            let (name, unit) = self.mount(device)?;
            system.unit(name, unit, Enabled::WantedBy("multi-user.target"));
        }
        Ok(())
    }
}
