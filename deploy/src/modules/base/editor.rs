//! The default editor.

use crate::{
    choice,
    formats::{Unwritable, shell},
    system::{Contributor, File},
    value::AbsolutePath,
};

choice! {
    /// The default editor, on a terminal.
    Editor {
        /// Emacs without a window system.
        Emacs = "emacs",
        /// Vim.
        Vim = "vim",
        /// Nano.
        Nano = "nano",
    }
}

impl Editor {
    /// Its package, and the program that its maintainer registers as an alternative for `editor`.
    fn installed(self) -> (&'static str, &'static str) {
        match self {
            Self::Emacs => ("emacs-nox", "/usr/bin/emacs"),
            Self::Vim => ("vim", "/usr/bin/vim.basic"),
            Self::Nano => ("nano", "/bin/nano"),
        }
    }

    /// For who logs in by the environment, for sudoedit(8) and others by Debian's link (update-alternatives(1), which
    /// leaves a link alone that it finds changed).
    pub(super) fn contribute(self, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let (package, program) = self.installed();
        system.package(package);
        let name = shell::word(self.as_str())?;
        let profile = format!("export EDITOR={name} VISUAL={name}\n");
        system.file(AbsolutePath::known("/etc/profile.d/odbox-editor.sh"), File::text(profile));
        system
            .file(AbsolutePath::known("/etc/alternatives/editor"), File::link(AbsolutePath::known(program)));
        Ok(())
    }
}
