//! `vaultd keygen`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use vault_format::{Identities, Plaintext, Recipient, Timestamp};

use crate::monitor::settings::{CREDENTIAL, IDENTITY};
use crate::sys::memory::Locking;
use crate::sys::process;

/// Where systemd looks for encrypted credentials (systemd.exec(5), `ImportCredential=`).
const CREDENTIALS: &str = "/etc/credstore.encrypted";
/// systemd's own program for them (systemd-creds(1)).
const SYSTEMD_CREDS: &str = "systemd-creds";

/// Make this machine's identity
///
/// Prints its public key, and the command that lets it into a vault. The private key is in the file alone, which
/// only its owner may read; one that is there already is never replaced.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Encrypt it as a credential that only this machine's TPM opens; vaultd.service finds it there [default
    /// file: /etc/credstore.encrypted/vaultd.identity]
    #[arg(long)]
    tpm2: bool,

    /// File to write [default: /etc/age.key]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Args {
    fn file(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| match self.tpm2 {
            true => Path::new(CREDENTIALS).join(CREDENTIAL),
            false => IDENTITY.into(),
        })
    }
}

/// generate → encrypt, if for a TPM → write → tell
pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    process::forbid_dumps()?;
    // Whoever may not lock memory is no service either; the identity ends on a disk all the same.
    process::lock_memory(Locking::AllowSwappable)?;
    let path = args.file();
    refuse_existing(&path)?;
    let identities = Identities::generate();
    let text = identities.to_file(Timestamp::now());
    match args.tpm2 {
        true => write(&path, &for_tpm(&text)?)?,
        false => write(&path, text.expose())?,
    }
    for recipient in &identities.recipients() {
        tell(&path, recipient);
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing(path: &Path) -> Result<(), KeygenError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(KeygenError::Exists(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(KeygenError::Write { path: path.to_owned(), error }),
    }
}

/// The identity as systemd-creds(1) encrypts it: it goes in and comes out by pipes, never by a file.
fn for_tpm(identity: &Plaintext) -> Result<Vec<u8>, KeygenError> {
    let mut child = Command::new(SYSTEMD_CREDS)
        .args(["encrypt", "--with-key=tpm2", &format!("--name={CREDENTIAL}"), "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(KeygenError::Start)?;
    if let Some(mut input) = child.stdin.take() {
        // It may end without reading, and says why itself.
        let _ = input.write_all(identity.expose());
    }
    let output = child.wait_with_output().map_err(KeygenError::Start)?;
    match output.status.success() && !output.stdout.is_empty() {
        true => Ok(output.stdout),
        false => Err(KeygenError::Encrypt(output.status)),
    }
}

/// Writes a file that was not there, for its owner alone; half a file does not stay.
fn write(path: &Path, bytes: &[u8]) -> Result<(), KeygenError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeygenError::Exists(path.to_owned()),
        _ => KeygenError::Write { path: path.to_owned(), error },
    };
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// The public key for programs, what to do with it for people.
fn tell(path: &Path, recipient: &Recipient) {
    super::say(recipient.as_str());
    let hint = format!(
        "made {}; let it into the vault, where you keep that:\n  vaultgen machine add {} --recipient {recipient}",
        path.display(),
        machine_name(&rustix::system::uname().nodename().to_string_lossy()),
        recipient = recipient.as_str()
    );
    // Standard error may be closed, which is no reason to fail.
    let _ = writeln!(io::stderr(), "{hint}");
}

/// What this machine may be called in a vault: the first part of its host name, if that can be one.
fn machine_name(host: &str) -> &str {
    let name = host.split('.').next().unwrap_or_default();
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    match name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(fits) {
        true => name,
        false => "NAME",
    }
}

/// Why there is no new identity.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum KeygenError {
    #[error("{}: there is a file already", .0.display())]
    #[diagnostic(help(
        "whatever was encrypted to it cannot be opened without it: move it away yourself, or name another file"
    ))]
    Exists(PathBuf),
    #[error("cannot write {}", .path.display())]
    #[diagnostic(help("make its folder, run it with sudo, or name another file"))]
    Write {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("cannot run {SYSTEMD_CREDS}")]
    #[diagnostic(help("a key bound to a TPM takes systemd 250 or later; leave --tpm2 out for a plain file"))]
    Start(#[source] io::Error),
    #[error("{SYSTEMD_CREDS} did not encrypt the identity: {0}")]
    #[diagnostic(help(
        "`systemd-creds has-tpm2` tells what this machine lacks; leave --tpm2 out for a plain file"
    ))]
    Encrypt(ExitStatus),
}

#[cfg(test)]
mod tests {
    use super::machine_name;

    #[test]
    fn a_machine_is_called_as_its_host_if_a_shell_and_a_vault_can_take_it() {
        assert_eq!(machine_name("web-1.example.org"), "web-1");
        for odd in ["", "Web", "1web", "a b", "$(reboot)", ".example.org"] {
            assert_eq!(machine_name(odd), "NAME", "{odd}");
        }
    }
}
