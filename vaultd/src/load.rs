//! Read, verify, decrypt: from the files of a vault to a generation.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::generation::Generation;
use crate::sys::memory::Locking;

/// What to serve, and whom to trust.
#[derive(Debug, Args)]
pub struct Source {
    /// Vault to serve
    #[arg(long, value_name = "DIR", default_value = "/etc/vaultd/vault")]
    pub vault: PathBuf,

    /// Private key that decrypts the vault; may be given several times
    #[arg(long = "identity", value_name = "FILE", default_value = "/etc/age.key")]
    pub identities: Vec<PathBuf>,

    /// Signers whose vaults this machine serves
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/vaultd/allowed_signers"
    )]
    pub allowed_signers: PathBuf,

    /// Serve the snake-oil vault, whose keys everybody knows
    #[arg(long)]
    pub allow_snakeoil: bool,

    /// Go on, weaker, where memory cannot be locked against swapping
    #[arg(long)]
    allow_swappable: bool,
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
}

/// Reads, verifies and decrypts a vault: all of it or nothing.
///
/// # Errors
/// Every problem that was found, without any plaintext.
pub fn load(source: &Source) -> Result<Generation, Failure> {
    Err(Failure::new(format!(
        "cannot read vault {}: this build of vaultd reads no vaults",
        source.vault.display()
    )))
}
