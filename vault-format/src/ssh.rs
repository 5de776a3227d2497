//! SSH keys: the vault's own SSH identity, and the keys that sign.

use std::fmt;

use age::secrecy::ExposeSecret;
use miette::Diagnostic;
pub use ssh_key::PublicKey;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, rand_core::OsRng};
use thiserror::Error;

use crate::{Plaintext, passphrase::AskPassphrase};

/// An ed25519 key pair in OpenSSH format (PROTOCOL.key).
pub struct SshKey(PrivateKey);

impl SshKey {
    /// Makes a new ed25519 key.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn generate(comment: &str) -> Result<Self, SshError> {
        let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(SshError::Generate)?;
        key.set_comment(comment);
        Ok(Self(key))
    }

    /// Reads an OpenSSH private key, asking for its passphrase if it has one.
    ///
    /// # Errors
    ///
    /// If the text is no such key, or the passphrase is wrong or cannot be asked for.
    pub fn parse(text: &Plaintext, passphrases: &dyn AskPassphrase) -> Result<Self, SshError> {
        let key = PrivateKey::from_openssh(text.expose()).map_err(|_| SshError::Unreadable)?;
        if !key.is_encrypted() {
            return Ok(Self(key));
        }
        let passphrase = passphrases.passphrase("the SSH key").ok_or(SshError::NobodyToAsk)?;
        let open = key.decrypt(passphrase.expose_secret()).map_err(|_| SshError::Passphrase)?;
        Ok(Self(open))
    }

    /// The private key file, protected by a passphrase (bcrypt-pbkdf, AES-256-CTR).
    ///
    /// # Errors
    ///
    /// If the key cannot be encoded.
    pub fn to_protected_file(&self, passphrase: &str) -> Result<Plaintext, SshError> {
        let protected = self.0.encrypt(&mut OsRng, passphrase).map_err(SshError::Encode)?;
        protected.to_openssh(LineEnding::LF).map(Plaintext::from).map_err(SshError::Encode)
    }

    /// The private key file, as OpenSSH reads it.
    ///
    /// # Errors
    ///
    /// If the key cannot be encoded.
    pub fn to_file(&self) -> Result<Plaintext, SshError> {
        self.0.to_openssh(LineEnding::LF).map(Plaintext::from).map_err(SshError::Encode)
    }

    /// The line of the `.pub` file, without its end.
    ///
    /// # Errors
    ///
    /// If the key cannot be encoded.
    pub fn public_line(&self) -> Result<String, SshError> {
        self.0.public_key().to_openssh().map_err(SshError::Encode)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// The fingerprint as `ssh-keygen -l` prints it, `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.0.public_key())
    }

    pub(crate) fn private_key(&self) -> &PrivateKey {
        &self.0
    }
}

/// Shows the fingerprint only.
impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshKey({})", self.fingerprint())
    }
}

/// The fingerprint of a public key as `ssh-keygen -l` prints it, `SHA256:…`.
#[must_use]
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Reads the line of a `.pub` file.
///
/// # Errors
///
/// If it is no SSH public key.
pub fn parse_public_key(line: &str) -> Result<PublicKey, SshError> {
    PublicKey::from_openssh(line.trim()).map_err(|_| SshError::NotPublic)
}

/// The public half of a private key that OpenSSH has to sign with: one on a FIDO token, and all but
/// ed25519. Nothing for an ed25519 key, and for what is no key.
#[must_use]
pub fn public_half_unless_ed25519(text: &Plaintext) -> Option<PublicKey> {
    let key = PrivateKey::from_openssh(text.expose()).ok()?;
    (key.algorithm() != Algorithm::Ed25519).then(|| key.public_key().clone())
}

/// The fingerprint of a private key file, which may be protected by a passphrase: its public half
/// is not.
///
/// # Errors
///
/// If it is no OpenSSH private key.
pub fn private_key_fingerprint(text: &Plaintext) -> Result<String, SshError> {
    let key = PrivateKey::from_openssh(text.expose()).map_err(|_| SshError::Unreadable)?;
    Ok(fingerprint(key.public_key()))
}

/// The line of the `.pub` file of a private key, which may be protected by a passphrase.
///
/// # Errors
///
/// If it is no OpenSSH private key.
pub fn private_key_public_line(text: &Plaintext) -> Result<String, SshError> {
    let key = PrivateKey::from_openssh(text.expose()).map_err(|_| SshError::Unreadable)?;
    key.public_key().to_openssh().map_err(SshError::Encode)
}

/// Why an SSH key could not be made, read or written. No message shows any of a private key.
#[derive(Debug, Error, Diagnostic)]
pub enum SshError {
    /// No randomness.
    #[error("cannot make an SSH key")]
    Generate(#[source] ssh_key::Error),
    /// Not a private key.
    #[error("it is not an OpenSSH private key")]
    #[diagnostic(help(
        "the file starts with -----BEGIN OPENSSH PRIVATE KEY-----, as `ssh-keygen -t ed25519` writes it"
    ))]
    Unreadable,
    /// Not a public key.
    #[error("it is not an SSH public key")]
    #[diagnostic(help("a public key is one line such as ssh-ed25519 AAAA… COMMENT"))]
    NotPublic,
    /// Protected, and nobody can be asked.
    #[error("the key is protected by a passphrase, and there is nobody to ask")]
    #[diagnostic(help("run it in a terminal, or let an SSH agent hold the key"))]
    NobodyToAsk,
    /// Not the passphrase.
    #[error("the passphrase of the SSH key is wrong")]
    #[diagnostic(help("try again"))]
    Passphrase,
    /// Not encodable.
    #[error("cannot write the SSH key")]
    Encode(#[source] ssh_key::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_key_reads_back() {
        let key = SshKey::generate("odbox").unwrap();
        let read = SshKey::parse(&key.to_file().unwrap(), &crate::passphrase::Nobody).unwrap();
        assert_eq!(read.public_line().unwrap(), key.public_line().unwrap());
        assert!(key.public_line().unwrap().ends_with(" odbox"));
    }
}
