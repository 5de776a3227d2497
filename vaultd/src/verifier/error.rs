//! Why a vault is not served, as far as it can be told without an identity.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use vault_format::SecretName;
use vault_format::cipher::CipherError;
use vault_format::folder::FolderError;
use vault_format::name::NameError;
use vault_format::signers::SignersError;
use vault_format::verify::Unsound;

use crate::snapshot::SnapshotError;
use crate::sys::confine::ConfineError;

/// Why a vault is not served. No message shows any plaintext.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum VerifyError {
    /// The signers cannot be read.
    #[error("cannot read this machine's signers, {}", .path.display())]
    #[diagnostic(help(
        "copy the vault's allowed_signers there after comparing the fingerprints with its owner, or name another file with --allowed-signers"
    ))]
    ReadSigners {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// Signers that cannot be trusted.
    #[error("{}: {error}", .path.display())]
    Signers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SignersError,
    },
    /// The vault's folder cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
    /// The vault is not sound.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unsound(#[from] Unsound),
    /// What was kept of a vault is damaged.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It cannot give up what it does not need.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Confine(#[from] ConfineError),
    /// There is no memory for the vault's files.
    #[error("cannot keep the vault's files")]
    #[diagnostic(help(
        "the files of a vault must fit into memory: give this machine more, or the vault fewer"
    ))]
    Memory(#[from] io::Error),
    /// Signed, and asked for as if it were not.
    #[error("{}: this is part of a signed vault, which is served by its signature or not at all", .0.display())]
    #[diagnostic(help("leave out --unsigned, and name this machine's signers with --allowed-signers FILE"))]
    Signed(PathBuf),
    /// A file with a name that no secret can have.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// A file that no identity could open.
    #[error("{name}: {error}")]
    Cipher {
        /// Which secret.
        name: SecretName,
        /// What is wrong with it.
        #[diagnostic_source]
        error: CipherError,
    },
    /// The vault that everybody can read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    SnakeOil(#[from] snakeoil::SnakeOil),
}
