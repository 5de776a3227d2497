//! vaultd's own units, as they are installed everywhere, and what this machine has otherwise.

use super::{IDENTITY, MOUNT, Vault};
use crate::{
    formats::{
        Unwritable,
        line::Tmpfiles,
        unit::{UnitFile, Word},
    },
    system::{Contributor, File},
    value::AbsolutePath,
};

macro_rules! units {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../vaultd/systemd/", $name)))),+]
    };
}

/// The units beside vaultd's source, all of them. Its user is one of this machine's, with a number of ours.
pub(super) const UNITS: &[(&str, &str)] = units![
    "vaultd-cleanup.service",
    "vaultd-due.service",
    "vaultd-due.timer",
    "vaultd-guard.socket",
    "vaultd-guard@.service",
    "vaultd-metrics.service",
    "vaultd-metrics.timer",
    "vaultd-programs.socket",
    "vaultd-programs@.service",
    "vaultd-ready.target",
    "vaultd-verify.service",
    "vaultd.service",
];

const FOLDER: &str = "/etc/systemd/system";

impl Vault {
    pub(super) fn contribute_units(&self, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let folder = AbsolutePath::known(FOLDER);
        for (name, text) in UNITS {
            system.file(folder.join(name), File::text(*text));
        }
        let wanted = folder.join("sysinit.target.wants/vaultd.service");
        system.file(wanted, File::link(folder.join("vaultd.service")));
        let mount_point = Tmpfiles::new("d", self.mount.as_str())?.literal("0711 root root -");
        let tmpfiles = format!(
            "# Where the vault is mounted: with the mode that the mount has, so that nothing is to be changed while it is there.\n{}",
            mount_point.render()
        );
        system.file(AbsolutePath::known("/etc/tmpfiles.d/vaultd.conf"), File::text(tmpfiles));
        if let Some(unit) = self.other_places()? {
            system.file(folder.join("vaultd.service.d/odbox.conf"), File::text(unit.render()));
        }
        if self.mount.as_str() != MOUNT {
            system.file(
                folder.join("vaultd-cleanup.service.d/odbox.conf"),
                File::text(self.cleanup()?.render()),
            );
        }
        Ok(())
    }

    /// What has to be mounted before vaultd, where the identity or the mount are not where its unit knows them.
    fn other_places(&self) -> Result<Option<UnitFile>, Unwritable> {
        let mut places = Vec::new();
        if self.identity.as_str() != IDENTITY {
            places.push(self.identity.clone());
        }
        if self.mount.as_str() != MOUNT {
            // Not the mount itself, which vaultd makes.
            places.push(self.mount.parent());
        }
        if places.is_empty() {
            return Ok(None);
        }
        let mut unit = UnitFile::new();
        unit.section("Unit").words("RequiresMountsFor", places.iter().map(AbsolutePath::as_str))?;
        Ok(Some(unit))
    }

    /// The commands of `vaultd-cleanup.service` for another mount; an empty one takes away those before.
    fn cleanup(&self) -> Result<UnitFile, Unwritable> {
        let mount = self.mount.as_str();
        let mut unit = UnitFile::new();
        let mut service = unit.section("Service");
        service.set("ExecCondition", "").command(
            "ExecCondition",
            [
                Word::Literal("/usr/bin/grep"),
                Word::Literal("--quiet"),
                Word::Literal("--fixed-strings"),
                format!(" {mount} ").into(),
                Word::Literal("/proc/self/mountinfo"),
            ],
        )?;
        service.command(
            "ExecCondition",
            ["/usr/bin/sh", "-c"]
                .map(Word::Literal)
                .into_iter()
                .chain([Word::Literal("test -z \"$(systemctl list-jobs --no-legend vaultd.service)\"")]),
        )?;
        let umount = ["/usr/bin/umount", "--force", "--lazy", "--no-canonicalize", "--internal-only"];
        service
            .set("ExecStart", "")
            .command("ExecStart", umount.map(Word::Literal).into_iter().chain([Word::from(mount)]))?;
        Ok(unit)
    }
}
