//! The vault's own certificate authority, opened to sign with.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    SecretName, Verified,
    certificate::Authority,
    cipher,
    cipher::CipherError,
    standard::{self, CA},
};

use crate::{cli::Common, keys};

/// Whether a secret is the CA's certificate or key: for whoever verifies a vault and wants to sign.
pub fn has(name: &SecretName) -> bool {
    standard::certificate_names(CA).is_ok_and(|names| names.contains(name))
}

/// The vault's CA, whose certificate and key were kept when the vault was verified.
///
/// # Errors
///
/// If the vault has none, or no identity opens it.
pub fn open(vault: &Verified, common: &Common) -> miette::Result<Authority> {
    let [certificate, key] = standard::certificate_names(CA)?;
    let ciphertext = |name| vault.ciphertext(name).ok_or(AuthorityError::Missing);
    let sealed = (ciphertext(&certificate)?, ciphertext(&key)?);
    let identities = keys::identities(common)?;
    let decrypt = |name: SecretName, ciphertext| {
        cipher::decrypt(ciphertext, &identities).map_err(|error| AuthorityError::Decrypt { name, error })
    };
    Ok(Authority::read(&decrypt(certificate, sealed.0)?, &decrypt(key, sealed.1)?)?)
}

/// Why nothing can be signed.
#[derive(Debug, Error, Diagnostic)]
pub enum AuthorityError {
    /// Not in the vault.
    #[error("the vault has no CA to sign a certificate with")]
    #[diagnostic(help("`vaultgen init` makes what is missing of the standard vault"))]
    Missing,
    /// Cannot be decrypted.
    #[error("{name}: {error}")]
    Decrypt {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: CipherError,
    },
}
