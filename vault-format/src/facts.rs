//! Public facts about secrets: what an auditor may know without a key.

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Digest, Plaintext,
    certificate::{CertificateError, CertificateFacts, KeyError, PrivateKey},
    password::{HashFacts, PasswordError},
    policy::Kind,
    ssh::{self, SshError},
};

/// Public facts about a secret of a known kind. Nothing from which a guess of the plaintext could
/// be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Facts {
    /// Of a certificate.
    Certificate(CertificateFacts),
    /// Of the private key of a certificate.
    PrivateKey {
        /// SHA-256 of the SubjectPublicKeyInfo: what certificate and key have in common.
        #[serde(rename = "spki-sha256")]
        spki_sha256: Digest,
    },
    /// Of an SSH key.
    SshKey {
        /// The fingerprint as `ssh-keygen -l` prints it.
        fingerprint: String,
    },
    /// Of a password hash.
    PasswordHash(HashFacts),
}

impl Facts {
    /// The facts of a plaintext of this kind; nothing for kinds that have none.
    ///
    /// # Errors
    ///
    /// If the plaintext is not of that kind.
    pub fn of(kind: Kind, plaintext: &Plaintext) -> Result<Option<Self>, FactsError> {
        Ok(Some(match kind {
            Kind::Password | Kind::Opaque => return Ok(None),
            Kind::Certificate => Self::Certificate(CertificateFacts::of(plaintext)?),
            Kind::PasswordHash => Self::PasswordHash(HashFacts::of(plaintext)?),
            Kind::PrivateKey => Self::PrivateKey { spki_sha256: PrivateKey::read(plaintext)?.spki_sha256() },
            Kind::SshKey => Self::SshKey { fingerprint: ssh::private_key_fingerprint(plaintext)? },
        }))
    }
}

/// A plaintext that is not what its kind says. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum FactsError {
    /// Not a certificate.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Certificate(#[from] CertificateError),
    /// Not a hash.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Password(#[from] PasswordError),
    /// Not a private key.
    #[error(transparent)]
    #[diagnostic(transparent)]
    PrivateKey(#[from] KeyError),
    /// Not an SSH key.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ssh(#[from] SshError),
}
