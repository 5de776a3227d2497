//! The verbs, one file each.

pub mod init;
pub mod show;
pub mod verify;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    POLICY_FILE, SIGNERS_FILE, VaultFolder,
    folder::FolderError,
    signers::{AllowedSigners, SignersError},
    transaction::{ExclusiveFolder, STAGING},
};

/// Most bytes of an `allowed_signers` file.
const MAX_SIGNERS: u64 = 1 << 20;

/// Opens a vault to read it. A change that was interrupted is finished or undone first.
fn open(path: &Path) -> Result<VaultFolder, OpenError> {
    let folder = VaultFolder::open(path)?;
    if folder.join(STAGING).exists() {
        drop(ExclusiveFolder::lock(VaultFolder::open(path)?)?);
    }
    if !folder.join(POLICY_FILE).exists() {
        return Err(OpenError::NotAVault(path.to_owned()));
    }
    Ok(folder)
}

/// The vault's own copy of its signers: good to notice damage, no protection against somebody
/// who can replace the whole folder.
fn own_signers(folder: &VaultFolder) -> Result<AllowedSigners, OpenError> {
    let bytes = folder.read(SIGNERS_FILE, MAX_SIGNERS)?;
    parse_signers(&folder.join(SIGNERS_FILE), bytes)
}

fn parse_signers(path: &Path, bytes: Vec<u8>) -> Result<AllowedSigners, OpenError> {
    let text = String::from_utf8(bytes).map_err(|_| OpenError::SignersNotText(path.to_owned()))?;
    AllowedSigners::parse(&text).map_err(|error| OpenError::Signers { path: path.to_owned(), error })
}

/// Prints a line for people, unless they asked for silence. Whoever closed the pipe wants no more.
fn say(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(io::stdout(), "{text}");
    }
}

/// Why a folder cannot be opened as a vault.
#[derive(Debug, Error, Diagnostic)]
pub enum OpenError {
    /// No policy in it.
    #[error("{0}: it is not a vault: it has no vault.toml")]
    #[diagnostic(help("name the vault with --vault DIR, or make one with `vaultgen init`"))]
    NotAVault(PathBuf),
    /// Cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
    /// Signers that are no text.
    #[error("{0}: it is not a text file")]
    SignersNotText(PathBuf),
    /// Signers that cannot be trusted.
    #[error("{path}: {error}")]
    Signers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SignersError,
    },
}
