//! The vault's own certificate authority, opened to sign with.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Identities, Plaintext, SecretName, Timestamp, Verified,
    certificate::{self, Authority, PrivateKey, Scope},
    change::NewSecret,
    cipher,
    cipher::CipherError,
    lock::Origin,
    standard::{self, CA},
};

use crate::{cli::Common, keys};

/// Whether a secret is the CA's certificate or key: for whoever verifies a vault and wants to sign.
pub fn has(name: &SecretName) -> bool {
    standard::certificate_names(CA).is_ok_and(|names| names.contains(name))
}

/// The common name of a vault's CA.
pub const SUBJECT: &str = "odbox vault CA";

/// Makes a CA, and its certificate and key as secrets of the vault. `days` is for how long it is valid.
///
/// # Errors
///
/// If the key cannot sign.
pub fn make(
    subject: &str,
    scope: Scope,
    key: &PrivateKey,
    days: u32,
    now: Timestamp,
) -> miette::Result<(Authority, [NewSecret; 2])> {
    let made = certificate::authority(subject, scope, key, days, now)?;
    let ca = Authority::read(&made.certificate, &made.key)?;
    let description = "the vault's own certificate authority";
    Ok((ca, standard::certificate(CA, made, description, Origin::Generated)?))
}

/// The vault's CA, whose certificate and key were kept when the vault was verified.
///
/// # Errors
///
/// If the vault has none, or no identity opens it.
pub fn open(vault: &Verified, common: &Common) -> miette::Result<Authority> {
    let [certificate, key] = standard::certificate_names(CA)?;
    // Before anybody is asked for a passphrase.
    let sealed = (sealed(vault, &certificate)?, sealed(vault, &key)?);
    let identities = keys::identities(common)?;
    let certificate = decrypt(certificate, sealed.0, identities)?;
    Ok(Authority::read(&certificate, &decrypt(key, sealed.1, identities)?)?)
}

/// The CA's certificate alone, kept likewise.
///
/// # Errors
///
/// As [`open`].
pub fn certificate(vault: &Verified, common: &Common) -> miette::Result<Plaintext> {
    let [certificate, _] = standard::certificate_names(CA)?;
    let sealed = sealed(vault, &certificate)?;
    Ok(decrypt(certificate, sealed, keys::identities(common)?)?)
}

fn sealed<'a>(vault: &'a Verified, name: &SecretName) -> Result<&'a [u8], AuthorityError> {
    vault.ciphertext(name).ok_or(AuthorityError::Missing)
}

fn decrypt(name: SecretName, sealed: &[u8], identities: &Identities) -> Result<Plaintext, AuthorityError> {
    cipher::decrypt(sealed, identities).map_err(|error| AuthorityError::Decrypt { name, error })
}

/// Why nothing can be signed.
#[derive(Debug, Error, Diagnostic)]
pub enum AuthorityError {
    /// Not in the vault.
    #[error("the vault has no CA to sign a certificate with")]
    #[diagnostic(help(
        "without any of one `vaultgen certs` makes it; where half of it is gone, `vaultgen init` does"
    ))]
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
