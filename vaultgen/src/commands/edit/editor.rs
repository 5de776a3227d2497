//! Running the operator's editor so that it leaves nothing anywhere.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// What is tried where neither VISUAL nor EDITOR is set.
const USUAL: [&str; 3] = ["editor", "nano", "vi"];

/// For vim and its kin: no configuration, which a plugin could use to keep what it sees, no swap file.
const VIM: &[&str] = &["--clean", "-n", "-c", "set nowritebackup nofixendofline"];

const EMACS: &[&str] = &[
    "--quick",
    "--no-window-system",
    "--eval",
    "(setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil \
     create-lockfiles nil inhibit-startup-screen t)",
];

/// Editors that we know how to keep quiet, by their program's name, with the arguments for it: no
/// configuration, no swap, backup, undo, history or lock files. A name that ends in `.` or `-` is the
/// start of several, such as `vim.basic`. Others are strangers: emacsclient has the file opened by a
/// server that we did not start, and vis and vile are no vi.
const KNOWN: [(&str, &[&str]); 7] = [
    ("nvim", VIM),
    ("vi", VIM),
    ("vim", VIM),
    ("vim.", VIM),
    ("nano", &["--ignorercfiles", "--nonewlines"]),
    ("emacs", EMACS),
    ("emacs-", EMACS),
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
        let is_named =
            |known: &str| name == known || (known.ends_with(['.', '-']) && name.starts_with(known));
        let known = KNOWN.iter().find(|(known, _)| is_named(known)).map(|(_, arguments)| *arguments);
        let quiet = known.unwrap_or_default().iter().map(OsString::from);
        let arguments = rest.iter().map(OsString::from).chain(quiet).collect();
        Some(Self { program, arguments, is_known: known.is_some() })
    }

    /// What it is called, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.program.display().to_string()
    }

    /// Runs it on a file, to its end. What it puts into a temporary folder stays in `folder`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn run(&self, file: &Path, folder: &Path) -> io::Result<ExitStatus> {
        Command::new(&self.program).args(&self.arguments).arg(file).env("TMPDIR", folder).status()
    }
}
