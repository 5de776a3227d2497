//! `vaultd trust`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vault_format::signers::AllowedSigners;

use super::say;
use crate::signers::{self, SignersFile, describe, is_ended, lock, trusted};
use crate::state::{self, StateError, accepted_anywhere};

/// Show and change whose vaults this machine serves
///
/// The list is this machine's own: nobody who can change a vault, or its repository, can change it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,

    /// This machine's signers
    #[arg(long, global = true, value_name = "FILE", default_value = signers::FILE)]
    allowed_signers: PathBuf,

    /// Where vaultd keeps what it has accepted
    #[arg(long, global = true, value_name = "DIR", default_value = state::ROOT, hide = true)]
    state: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the signers with their fingerprints
    List,
    /// Trust the signers in a file, such as a vault's allowed_signers
    ///
    /// Compare each fingerprint with its owner: whoever signs decides what this machine serves.
    Add {
        /// Lines of NAME and SSH public key
        file: PathBuf,
    },
    /// No longer trust a signer
    Remove {
        /// The name in the list
        name: String,
    },
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    match &args.action {
        Action::List => list(SignersFile::read(&args.allowed_signers)?.signers()),
        Action::Add { file } => add(&args.allowed_signers, file)?,
        Action::Remove { name } => remove(args, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(signers: &AllowedSigners) {
    for signer in signers.iter() {
        let ended = if is_ended(signers, signer) { "  (has an end date: not trusted)" } else { "" };
        say(&format!("{}{ended}", describe(signer)));
    }
}

fn add(path: &Path, file: &Path) -> miette::Result<()> {
    let new = SignersFile::read(file)?;
    let new = trusted(new.signers().clone());
    if new.iter().next().is_none() {
        return Err(TrustError::Nobody(file.to_owned()).into());
    }
    let _alone = lock(path)?;
    let mut list = SignersFile::read_if_present(path)?;
    if let Some(ended) = new.iter().find(|signer| is_ended(list.signers(), signer)) {
        return Err(TrustError::Ended { name: ended.principal().to_owned(), path: path.to_owned() }.into());
    }
    let mut said = Vec::new();
    for signer in new.iter() {
        match list.signers().find(signer.key().key_data()) {
            Some(known) => said.push(format!("trusted already: {}", describe(known))),
            None => {
                said.push(format!("trusted: {}", describe(signer)));
                list.add(signer.clone());
            }
        }
    }
    list.write()?;
    said.iter().for_each(|line| say(line));
    Ok(())
}

fn remove(args: &Args, name: &str) -> miette::Result<()> {
    let _alone = lock(&args.allowed_signers)?;
    let mut list = SignersFile::read(&args.allowed_signers)?;
    let before = trusted(list.signers().clone());
    let removed = list.remove(name);
    if removed.is_empty() {
        return Err(TrustError::Absent(name.to_owned()).into());
    }
    refuse_if_needed(&args.state, &before, &trusted(list.signers().clone()))?;
    list.write()?;
    removed.iter().for_each(|signer| say(&format!("no longer trusted: {}", describe(signer))));
    Ok(())
}

/// What this machine serves must still be served when it boots.
fn refuse_if_needed(root: &Path, before: &AllowedSigners, after: &AllowedSigners) -> Result<(), TrustError> {
    let (before, after) = (before.fingerprints(), after.fingerprints());
    let all = accepted_anywhere(root)?;
    match all.into_iter().find(|last| before.contains(&last.signer) && !after.contains(&last.signer)) {
        Some(last) => Err(TrustError::Needed { mountpoint: last.mountpoint, serial: last.serial }),
        None => Ok(()),
    }
}

/// Why the signers are as before.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum TrustError {
    #[error("{}: it names nobody who may sign a vault", .0.display())]
    #[diagnostic(help("a line reads: NAME ssh-ed25519 AAAA… COMMENT; one with an end date does not count"))]
    Nobody(PathBuf),
    #[error("the key of {name} has an end date in {}: it was removed", .path.display())]
    #[diagnostic(help(
        "only if it may sign again: take that line out first, with `vaultd trust remove NAME`"
    ))]
    Ended { name: String, path: PathBuf },
    #[error("no signer is called {0}")]
    #[diagnostic(help("see them with `vaultd trust list`"))]
    Absent(String),
    #[error(
        "what is served at {mountpoint} (serial {serial}) is signed by this signer alone, and would not be served at the next boot"
    )]
    #[diagnostic(help(
        "let another signer that this machine trusts sign the vault, `vaultd reload`, and remove this one then"
    ))]
    Needed { mountpoint: String, serial: u64 },
    #[error(transparent)]
    #[diagnostic(transparent)]
    State(#[from] StateError),
}
