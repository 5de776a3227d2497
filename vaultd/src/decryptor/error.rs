//! Why what was verified could not be decrypted.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use vault_format::SecretName;
use vault_format::cipher::CipherError;
use vault_format::identity::IdentityError;
use vault_format::key_file::KeyFileError;
use vault_format::template::RenderError;

use crate::generation::BuildError;
use crate::resolver::OwnerError;
use crate::sys::confine::ConfineError;
use crate::sys::memory::MemoryError;

/// Why a vault cannot be decrypted here. No message shows any plaintext.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DecryptError {
    /// It would have to be read, and was not.
    #[error("a file is not at hand")]
    Incomplete,
    /// A key file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Others than its owner may read the identity.
    #[error("{}: this identity can be read by others than its owner", .0.display())]
    #[diagnostic(help("chmod 0400 {}, and replace it if somebody may have read it", .0.display()))]
    IdentityExposed(PathBuf),
    /// A file that holds no identity.
    #[error("{}: {error}", .path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: IdentityError,
    },
    /// The vault that everybody can read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    SnakeOil(#[from] snakeoil::SnakeOil),
    /// Nothing is encrypted to these identities.
    #[error("{}: the identities given can decrypt nothing in this vault", .0.display())]
    #[diagnostic(help(
        "give the identity of one of its recipients with --identity FILE; they are listed in vault.toml"
    ))]
    Nothing(PathBuf),
    /// A name cannot own a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Owner(#[from] OwnerError),
    /// The policy has rules, and nobody would be asked.
    #[error("record = \"off\" has the kernel open files without asking, and only some services may open {0}")]
    #[diagnostic(help("take `record` out of vaultd.toml, or `services` out of the vault's policy"))]
    Unasked(SecretName),
    /// Some secrets cannot be decrypted.
    #[error("{} of the secrets cannot be decrypted", .failures.len())]
    Decrypt {
        /// Each of them.
        #[related]
        failures: Vec<DecryptFailure>,
    },
    /// Some templates cannot be rendered.
    #[error("{} of the templates cannot be rendered", .failures.len())]
    Render {
        /// Each of them.
        #[related]
        failures: Vec<RenderFailure>,
    },
    /// There is no place for the plaintext.
    #[error(transparent)]
    #[diagnostic(help(
        "all secrets of a machine must fit into three quarters of its memory: give it more, or its identity fewer secrets"
    ))]
    Build(BuildError<CipherError>),
    /// It cannot give up what it does not need.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Confine(#[from] ConfineError),
    /// What it was given cannot be mapped.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Memory(#[from] MemoryError),
    /// What it was asked to read cannot be read.
    #[error("cannot read what is to be decrypted")]
    #[diagnostic(help("try again; if it stays so, report it: that is a fault of vaultd"))]
    Inputs(#[from] io::Error),
}

/// A secret that cannot be decrypted.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name}: {error}")]
pub struct DecryptFailure {
    /// Which.
    pub name: SecretName,
    /// Why.
    #[diagnostic_source]
    pub error: CipherError,
}

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{template}: {error}")]
pub struct RenderFailure {
    /// Its path in the mount.
    pub template: SecretName,
    /// Why.
    #[diagnostic_source]
    pub error: RenderError,
}
