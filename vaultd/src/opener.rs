//! The opener: opens for the monitor what lies on a file system that may hang, as one over a network does. Whoever
//! waits for such a one cannot even be killed, and the monitor has other things to do.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use vault_format::folder::FolderError;
use vault_format::key_file::{KeyFile, KeyFileError};
use vault_format::{VaultFolder, report};

use crate::process::channel::Channel;
use crate::process::{Answer, refusal};

/// What it is to open.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The folder of the vault, unless it is not needed.
    pub vault: Option<PathBuf>,
    /// The list of this machine's signers, unless nobody signs.
    pub signers: Option<PathBuf>,
    /// The identities.
    pub identities: Vec<PathBuf>,
}

/// What it opened comes along in the order of its [`Order`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Why an identity cannot be opened, for people; then none comes along. It is told when one is needed, after
    /// what is wrong with the vault.
    pub without_identities: Option<String>,
}

/// Why something cannot be opened.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum OpenError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Vault(#[from] FolderError),
    #[error("cannot read this machine's signers, {}", .path.display())]
    #[diagnostic(help(
        "copy the vault's allowed_signers there after comparing the fingerprints with its owner, or name another file with --allowed-signers"
    ))]
    Signers {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}

/// Does what the opener was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, _)) = channel.receive::<Order>()? else { return Ok(()) };
    let mut files = match open(&order) {
        Ok(files) => files,
        Err(error) => return channel.send(&refusal::<Opened>(&error), &[]),
    };
    let identities = order.identities.iter().map(|path| KeyFile::open(path));
    let without_identities = match identities.collect::<Result<Vec<File>, KeyFileError>>() {
        Ok(identities) => {
            files.extend(identities.into_iter().map(OwnedFd::from));
            None
        }
        Err(error) => Some(report::render(&error)),
    };
    let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    channel.send(&Answer::Done(Opened { without_identities }), &descriptors)
}

fn open(order: &Order) -> Result<Vec<OwnedFd>, OpenError> {
    let vault = order.vault.as_deref().map(VaultFolder::open).transpose()?;
    let signers = order.signers.as_deref().map(open_signers).transpose()?;
    Ok(vault.map(VaultFolder::into_root).into_iter().chain(signers.map(OwnedFd::from)).collect())
}

fn open_signers(path: &Path) -> Result<File, OpenError> {
    // NONBLOCK: a FIFO in its place must not make us wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(io::Error::from);
    opened.map_err(|error| OpenError::Signers { path: path.to_owned(), error })
}
