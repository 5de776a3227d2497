//! `swap-file`: a file to swap to, encrypted with a key that is gone at power-off.

use super::{Module, Registration, World};
use crate::{
    formats::{
        Unwritable, shell,
        unit::{UnitFile, path_name},
    },
    node::Options,
    system::{Contributor, Enabled, File, Sandbox},
    value::{AbsolutePath, DataPath, Mebibytes},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "swap-file",
    summary: "swap on a file, encrypted with a key that is gone at power-off",
    implies: "",
    read: |options| Box::new(SwapFile::read(options)),
};

/// The unit that makes the file.
const MAKE: &str = "odbox-swap-file.service";
/// The program that it runs.
const SCRIPT: &str = "/usr/local/lib/odbox/make-swap-file";
/// What the file is called as an encrypted device.
const DEVICE: &str = "/dev/mapper/swap";
/// The unit of systemd-cryptsetup(8) that opens it.
const OPEN: &str = "systemd-cryptsetup@swap.service";

struct SwapFile {
    path: AbsolutePath,
    size: Mebibytes,
    encrypted: bool,
}

impl SwapFile {
    fn read(options: &mut Options<'_>) -> Self {
        Self {
            path: options.get("path", DataPath::known("/swapfile")).path().clone(),
            size: options.get("size", Mebibytes::new(4096)),
            encrypted: options.get("encrypted", true),
        }
    }

    /// Makes the file if it is not there or has another size. Without encryption it holds its own header.
    fn script(&self) -> Result<String, Unwritable> {
        let path = shell::word(self.path.as_str())?;
        let header = if self.encrypted { "" } else { "mkswap --quiet \"$path\"\n" };
        Ok(format!(
            "#!/bin/sh\n\
             set -eu\n\
             path={path} size=$(({size} * 1024 * 1024))\n\
             if [ \"$(stat --format=%s \"$path\" 2>/dev/null)\" = \"$size\" ]; then exit; fi\n\
             rm -f \"$path\"\n\
             umask 077\n\
             fallocate --length \"$size\" \"$path\"\n\
             {header}",
            size = self.size,
        ))
    }

    fn maker(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        let before = if self.encrypted { OPEN.to_owned() } else { path_name(&self.path, "swap") };
        unit.section("Unit")
            .set("Description", "Make the swap file")
            .set("DefaultDependencies", "no")
            .set("Conflicts", "shutdown.target")
            .words("RequiresMountsFor", [self.path.as_str()])?
            .words("Before", [before.as_str(), "shutdown.target"])?;
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").set("RemainAfterExit", "yes").command("ExecStart", [SCRIPT])?;
        Sandbox::root().early().writes([self.path.parent()]).apply(&mut service)?;
        Ok(unit)
    }

    /// The unit that swaps, and its name, which systemd wants to be that of the path.
    fn swap(&self) -> Result<(String, UnitFile), Unwritable> {
        let what = if self.encrypted { AbsolutePath::known(DEVICE) } else { self.path.clone() };
        let after = if self.encrypted { OPEN } else { MAKE };
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Swap")
            .words("Requires", [after])?
            .words("After", [after])?;
        unit.section("Swap").words("What", [what.as_str()])?;
        Ok((path_name(&what, "swap"), unit))
    }
}

impl Module for SwapFile {
    fn contribute(&self, _: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        system.file(AbsolutePath::known(SCRIPT), File::script(self.script()?));
        system.unit(MAKE, self.maker()?, Enabled::Static);
        let (name, swap) = self.swap()?;
        system.unit(name, swap, Enabled::WantedBy("swap.target"));
        let sysctl =
            "# Swap is for what is never used again.\nvm.swappiness = 1\nvm.vfs_cache_pressure = 50\n";
        system.file(AbsolutePath::known("/etc/sysctl.d/60-odbox-swap.conf"), File::text(sysctl));
        if self.encrypted {
            system.package("systemd-cryptsetup");
            let line = format!("swap {} /dev/urandom swap,cipher=aes-xts-plain64,size=512\n", self.path);
            let table = format!("# crypttab(5): the key is random, and gone at power-off.\n{line}");
            system.file(AbsolutePath::known("/etc/crypttab"), File::text(table));
            // The file is made before it is opened.
            let mut unit = UnitFile::new();
            let mut section = unit.section("Unit");
            section.set("DefaultDependencies", "no").words("Requires", [MAKE])?.words("After", [MAKE])?;
            let drop_in = format!("/etc/systemd/system/{OPEN}.d/odbox.conf");
            system.file(AbsolutePath::new(&drop_in).expect("of constants"), File::text(unit.render()));
        }
        Ok(())
    }
}
