//! Running the operator's editor so that it leaves nothing anywhere.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use crate::signals::{BeforeEnd, FROM_OUTSIDE};

/// What is tried where neither VISUAL nor EDITOR is set.
const USUAL: [&str; 3] = ["editor", "nano", "vi"];

/// Editors that we know how to keep quiet, by how their program's name starts, with the arguments for it:
/// no configuration (a plugin could keep what it sees), no swap, backup, undo, history or lock files.
const KNOWN: [(&str, &[&str]); 4] = [
    ("nvim", &["--clean", "-n", "-c", "set nowritebackup nofixendofline"]),
    ("vi", &["--clean", "-n", "-c", "set nowritebackup nofixendofline"]),
    ("nano", &["--ignorercfiles", "--nonewlines"]),
    (
        "emacs",
        &[
            "--quick",
            "--no-window-system",
            "--eval",
            "(setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil \
             create-lockfiles nil inhibit-startup-screen t)",
        ],
    ),
];

/// An editor, and how to start it.
pub struct Editor {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Whether we know how to keep it from leaving traces.
    pub is_known: bool,
}

impl Editor {
    /// The editor of VISUAL, of EDITOR, or a usual one. Nothing if there is none.
    #[must_use]
    pub fn find() -> Option<Self> {
        let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| env::var(name).ok());
        let named = named.filter_map(|words| shlex::split(&words)).find(|words| !words.is_empty());
        let words = named.into_iter().chain(USUAL.map(|name| vec![name.to_owned()]));
        words.into_iter().find_map(|words| Self::of(&words))
    }

    fn of(words: &[String]) -> Option<Self> {
        let (program, rest) = words.split_first()?;
        let program = which::which(program).ok()?;
        // `editor` and `vi` are links to what they are.
        let real = program.canonicalize().ok()?;
        let name = real.file_name()?.to_string_lossy().into_owned();
        let known = KNOWN.iter().find(|(start, _)| name.starts_with(start)).map(|(_, arguments)| *arguments);
        let quiet = known.unwrap_or_default().iter().map(OsString::from);
        let arguments = rest.iter().map(OsString::from).chain(quiet).collect();
        Some(Self { program, arguments, is_known: known.is_some() })
    }

    /// What it is called, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.program.display().to_string()
    }

    /// Runs it on a file, to its end. What it puts into a temporary folder stays in `folder`. A signal
    /// that ends this program removes the folder first; Control-C is the editor's.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn run(&self, file: &Path, folder: &Path) -> io::Result<ExitStatus> {
        let doomed = folder.to_owned();
        let _watch = BeforeEnd::of(&FROM_OUTSIDE, move || drop(fs::remove_dir_all(&doomed)))?;
        Command::new(&self.program).args(&self.arguments).arg(file).env("TMPDIR", folder).status()
    }
}
