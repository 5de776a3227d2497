//! open → verify → look up owners → decrypt: from the files of a vault to a generation, each step in a process
//! that has no more than it needs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use miette::Diagnostic;
use vault_format::VaultFolder;
use vault_format::folder::FolderError;
use vault_format::key_file::{KeyFile, KeyFileError};

use super::kept::{Kept, Object};
use crate::decryptor::{self, Report};
use crate::process::{Child, ChildError, Role, Station, blob};
use crate::state::Facts;
use crate::sys::memory::Locking;
use crate::sys::store::Store;
use crate::verifier::{self, Findings};

/// What to serve, and whom to trust.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// Vault to serve
    #[arg(long, value_name = "DIR", default_value = "/etc/vaultd/vault")]
    pub vault: PathBuf,

    /// Private key that decrypts the vault; may be given several times
    #[arg(long = "identity", value_name = "FILE", default_value = "/etc/age.key")]
    pub identities: Vec<PathBuf>,

    /// Signers whose vaults this machine serves
    #[arg(long, value_name = "FILE", default_value = "/etc/vaultd/allowed_signers")]
    pub allowed_signers: PathBuf,

    /// Serve a vault of Odoo Box, which nobody signed: nothing of it is verified
    #[arg(long, conflicts_with = "allowed_signers")]
    pub unsigned: bool,

    /// Serve the snake-oil vault, whose keys everybody knows
    #[arg(long)]
    pub allow_snakeoil: bool,

    /// Go on, weaker, where memory cannot be locked against swapping
    #[arg(long)]
    pub allow_swappable: bool,

    /// User that the server runs as; a number that nobody has where there is no such user
    #[arg(long, value_name = "USER", default_value = "vaultd")]
    pub server_user: String,

    /// Serve a vault in which nothing is for this machine, as an empty mount
    #[arg(long)]
    pub allow_empty: bool,
}

impl Source {
    /// What to do when memory cannot be locked.
    #[must_use]
    pub fn locking(&self) -> Locking {
        match self.allow_swappable {
            true => Locking::AllowSwappable,
            false => Locking::Required,
        }
    }

    /// Where the processes stand that do the work.
    ///
    /// # Errors
    /// The users of this machine cannot be read.
    pub fn station(&self) -> io::Result<Station> {
        Station::of_user(&self.server_user, self.locking())
    }
}

/// A vault that was found to be sound: what tells it from others, and the very bytes that were verified.
#[derive(Debug)]
pub struct Examined {
    /// What the verifier found, as it was written down.
    findings: OwnedFd,
    /// The vault's files.
    snapshot: OwnedFd,
    /// What tells this state from others; nothing of a vault that nobody signed.
    pub facts: Option<Facts>,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
}

/// Why a vault is not served.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// The vault cannot be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Vault(#[from] FolderError),
    /// An identity cannot be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Identity(#[from] KeyFileError),
    /// The signers cannot be opened.
    #[error("cannot read this machine's signers, {}", .path.display())]
    #[diagnostic(help(
        "copy the vault's allowed_signers there after comparing the fingerprints with its owner, or name another file with --allowed-signers"
    ))]
    Signers {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// One of the processes that load it says no.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Child(#[from] ChildError),
    /// One of them answered what it should not.
    #[error("cannot use what was loaded")]
    Answer(#[from] io::Error),
}

/// Has a vault verified that lies in its folder.
///
/// # Errors
/// [`LoadError`], with every problem that was found.
pub fn examine(source: &Source) -> Result<Examined, LoadError> {
    let vault = VaultFolder::open(&source.vault)?.into_root();
    ask_verifier(source, verifier::Source::Folder, &vault)
}

fn ask_verifier(source: &Source, kind: verifier::Source, vault: &OwnedFd) -> Result<Examined, LoadError> {
    let signers = match source.unsigned {
        true => None,
        false => Some(open_signers(&source.allowed_signers)?),
    };
    let order = verifier::Order {
        station: source.station()?,
        vault: source.vault.clone(),
        source: kind,
        signers: source.allowed_signers.clone(),
        unsigned: source.unsigned,
        allow_snakeoil: source.allow_snakeoil,
    };
    let descriptors: Vec<BorrowedFd<'_>> =
        [Some(vault.as_fd()), signers.as_ref().map(AsFd::as_fd)].into_iter().flatten().collect();
    let ((), received) = Child::ask(Role::Verifier, &order, &descriptors)?;
    let [findings, snapshot] = exactly(received)?;
    let Findings { facts, warnings, .. } = blob::read(findings.try_clone()?)?;
    Ok(Examined { findings, snapshot, facts, warnings })
}

fn open_signers(path: &Path) -> Result<File, LoadError> {
    File::open(path).map_err(|error| LoadError::Signers { path: path.to_owned(), error })
}

/// Has a vault that was verified decrypted into a generation, taking from the one before what is in both.
///
/// # Errors
/// [`LoadError`], with every problem that was found.
pub fn decrypt(
    source: &Source,
    store: &Store,
    examined: &Examined,
    number: u64,
    before: Option<&Kept>,
) -> Result<(Kept, Report), LoadError> {
    let station = source.station()?;
    let ((), owners) = Child::ask(Role::Resolver, &station, &[examined.findings.as_fd()])?;
    let [owners] = exactly(owners)?;
    let identities = source.identities.iter().map(|path| KeyFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let order = decryptor::Order {
        station,
        vault: source.vault.clone(),
        has_store: store.root().is_some(),
        identities: source.identities.clone(),
        before: before.map(|before| before.objects.len()),
        allow_snakeoil: source.allow_snakeoil,
        allow_empty: source.allow_empty,
    };
    let mut descriptors = vec![examined.findings.as_fd(), examined.snapshot.as_fd(), owners.as_fd()];
    descriptors.extend(store.root());
    descriptors.extend(identities.iter().map(AsFd::as_fd));
    descriptors.extend(before.into_iter().flat_map(Kept::descriptors));
    let (done, received) = Child::ask::<decryptor::Done>(Role::Decryptor, &order, &descriptors)?;
    Ok(keep(number, &done, received, before)?)
}

/// Takes over what the decryptor made.
fn keep(
    number: u64,
    done: &decryptor::Done,
    received: Vec<OwnedFd>,
    before: Option<&Kept>,
) -> io::Result<(Kept, Report)> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut received = received.into_iter();
    let index = received.next().ok_or_else(invalid)?;
    let report = blob::read(received.next().ok_or_else(invalid)?)?;
    let object = |place: &Option<usize>| match place {
        None => Ok(Arc::new(Object::take_over(received.next().ok_or_else(invalid)?)?)),
        Some(place) => before.and_then(|before| before.objects.get(*place)).cloned().ok_or_else(invalid),
    };
    let objects = done.objects.iter().map(object).collect::<io::Result<_>>()?;
    Ok((Kept { number, index, objects }, report))
}

fn exactly<const N: usize>(descriptors: Vec<OwnedFd>) -> io::Result<[OwnedFd; N]> {
    descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}
