//! `base`: what every machine has: tools, an editor, a name, a time zone, a network, and a kernel that keeps memory to
//! itself.

mod cli_tools;
mod editor;
mod kernel;
mod machine;
mod metadata;
mod network;
#[cfg(test)]
mod tests;

use self::{cli_tools::CliTool, editor::Editor};
use super::{Module, Registration, World};
use crate::{
    formats::Unwritable,
    node::Options,
    system::{Contributor, Enabled, File},
    value::AbsolutePath,
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "base",
    summary: "command-line tools, a default editor, sudo without a password, the machine's name, time and network",
    implies: "",
    read: |options| Box::new(Base::read(options)),
};

struct Base {
    editor: Editor,
    cli_tools: Vec<CliTool>,
}

impl Base {
    fn read(options: &mut Options<'_>) -> Self {
        Self {
            editor: options.get("editor", Editor::Emacs),
            cli_tools: options.get("cli-tools", vec![CliTool::AdminSet]),
        }
    }

    /// Whoever is in the group `sudo` is root without being asked: in the cloud nobody has a password to type.
    fn contribute_sudo(system: &mut Contributor<'_>) {
        system.package("sudo");
        let rule = "# sudoers(5)\n%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n";
        system.file(AbsolutePath::known("/etc/sudoers.d/odbox"), File::text(rule).mode(0o440));
    }

    /// Packages change by `apply`, to those of the lock file, and are taken back by a roll-back; nothing changes them
    /// in between (docs/cli-tools.md, "Upgrades").
    fn contribute_upgrades(system: &mut Contributor<'_>) {
        system.packaged_unit("apt-daily.timer", Enabled::Masked);
        system.packaged_unit("apt-daily-upgrade.timer", Enabled::Masked);
    }
}

impl Module for Base {
    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        cli_tools::contribute(&self.cli_tools, system);
        self.editor.contribute(system)?;
        Self::contribute_sudo(system);
        Self::contribute_upgrades(system);
        machine::contribute(world.machine, system);
        kernel::contribute(system);
        network::contribute(world.machine, system);
        if world.machine.host_name.is_none() {
            metadata::contribute(world.machine, system)?;
        }
        Ok(())
    }
}
