//! `vaultgen edit`: change a secret in an editor, on a file that lies in memory alone.

mod editor;
mod ram;

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Plaintext, SecretName,
    change::NewSecret,
    cipher::{self, CipherError, MAX_PLAINTEXT},
    facts::Facts,
    lock::Origin,
    policy::SecretTable,
    report,
};
use zeroize::Zeroizing;

use self::{editor::Editor, ram::RamFolder};
use crate::{cli::Common, commands, keys, no_secret::NoSecret, prompt, vault::OpenVault};

/// Room beyond a file's size, so that its end is found without a buffer elsewhere.
const SPARE: usize = 64;

/// Change a secret in your editor.
///
/// The editor is that of VISUAL or EDITOR. vim, nano and emacs start without their configuration, and
/// without swap, backup, undo and history files; of another editor you have to know what it leaves. The
/// file lies in memory, which the system may swap out. Text that was not changed changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The secret, such as tokens/api
    name: SecretName,
}

/// Opens the editor, and encrypts what was changed.
///
/// # Errors
///
/// If the vault is not sound or trusted, has no such secret, it is no text, or it is derived from another
/// or has others derived from it.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = OpenVault::open(common, |name, _| *name == args.name)?;
    require_editable(&open, &args.name)?;
    let ciphertext =
        open.vault.ciphertext(&args.name).ok_or_else(|| NoSecret::new(&open.vault, &args.name))?;
    let old = cipher::decrypt(ciphertext, keys::identities(common)?)
        .map_err(|error| EditError::Decrypt { name: args.name.clone(), error })?;
    if old.expose_str().is_none_or(|text| text.contains('\0')) {
        return Err(EditError::Binary(args.name.clone()).into());
    }
    let editor = Editor::find().ok_or(EditError::NoEditor)?;
    if !editor.is_known {
        commands::warn(&format!("{}: it may keep copies of what it edits (swap, undo)", editor.name()));
    }
    let folder = RamFolder::new().map_err(EditError::Memory)?.ok_or(EditError::NoMemory)?;
    let kind = open.vault.policy().secret(&args.name).kind;
    let file = folder.path().join(args.name.as_str().rsplit('/').next().unwrap_or_default());
    write(&file, &old).map_err(EditError::Memory)?;
    let (new, facts) = loop {
        let run = || editor.run(&file, folder.path());
        let status = folder.lend_keyboard(run).map_err(EditError::Start)?;
        if !status.success() {
            return Err(EditError::Failed.into());
        }
        let problem = match read(&file, &old).map_err(EditError::Memory)? {
            Some(new) if new == old => {
                commands::say(common.quiet, "nothing to do: the text is the same");
                return Ok(());
            }
            Some(new) => match Facts::of(kind, &new) {
                Ok(facts) => break (new, facts),
                Err(error) => report::render(&error),
            },
            None => format!("the text is too long: a secret has {MAX_PLAINTEXT} bytes at most"),
        };
        commands::warn(&problem);
        if common.batch || !prompt::confirm("Edit it again? [y/N] ")? {
            return Err(EditError::Discarded(args.name.clone()).into());
        }
    };
    drop(folder);
    let mut change = open.change()?;
    let table = SecretTable { kind, ..SecretTable::default() };
    change.put_secret(NewSecret {
        name: args.name.clone(),
        table,
        plaintext: new,
        origin: Origin::Entered,
        facts,
    });
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say(common.quiet, &format!("{}: changed; serial {}", args.name, applied.lock.serial));
    Ok(())
}

/// A value and what is derived from it change together, which an editor cannot do.
fn require_editable(open: &OpenVault, name: &SecretName) -> Result<(), EditError> {
    let policy = open.vault.policy();
    if let Some(source) = &policy.secret(name).from {
        return Err(EditError::Derived { name: name.clone(), original: source.clone() });
    }
    let mut names = open.vault.lock().secrets.keys();
    match names.find(|other| policy.secret(other).from.as_ref() == Some(name)) {
        Some(derived) => Err(EditError::Source { name: name.clone(), derived: derived.clone() }),
        None => Ok(()),
    }
}

fn write(file: &Path, text: &Plaintext) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.expose())
}

/// What the editor left; nothing if it is longer than a secret can be, or grows while it is read. A
/// line end that it put after the last line does not count.
fn read(file: &Path, old: &Plaintext) -> io::Result<Option<Plaintext>> {
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let Some(room) = usize::try_from(size).ok().filter(|size| *size <= MAX_PLAINTEXT) else {
        return Ok(None);
    };
    // Never grows: a buffer that is moved leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + SPARE));
    file.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.len() > room {
        return Ok(None);
    }
    if bytes.ends_with(b"\n") && !old.expose().ends_with(b"\n") {
        bytes.pop();
    }
    Ok(Some(Plaintext::from(std::mem::take(&mut *bytes))))
}

/// Why a secret was not edited. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
enum EditError {
    #[error("{name}: {error}")]
    Decrypt {
        name: SecretName,
        #[diagnostic_source]
        error: CipherError,
    },
    #[error("{0} is not a text")]
    #[diagnostic(help("replace it from a file: `vaultgen rotate NAME --stdin < FILE`"))]
    Binary(SecretName),
    #[error("{name} is derived from {original}")]
    #[diagnostic(help("change {original}, and it follows: `vaultgen password` or `vaultgen rotate`"))]
    Derived { name: SecretName, original: SecretName },
    #[error("{derived} is derived from {name}, and would not follow")]
    #[diagnostic(help("change both with `vaultgen password` or `vaultgen rotate`"))]
    Source { name: SecretName, derived: SecretName },
    #[error("there is no editor")]
    #[diagnostic(help("set EDITOR, such as to vim or nano"))]
    NoEditor,
    #[error("there is no folder in memory to edit in")]
    #[diagnostic(help("mount a tmpfs at /dev/shm, or set XDG_RUNTIME_DIR to a folder on one"))]
    NoMemory,
    #[error("the folder in memory cannot be used")]
    #[diagnostic(help(
        "check that there is room in /dev/shm or XDG_RUNTIME_DIR, and that you may write there"
    ))]
    Memory(#[source] io::Error),
    #[error("the editor cannot be started")]
    #[diagnostic(help("set EDITOR to a program that is installed"))]
    Start(#[source] io::Error),
    #[error("the editor failed; nothing was changed")]
    #[diagnostic(help("save and leave it without an error, such as with :wq"))]
    Failed,
    #[error("{0} was not changed")]
    #[diagnostic(help("the new text cannot be its value: the warning above says why"))]
    Discarded(SecretName),
}
