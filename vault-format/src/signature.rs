//! `vault.lock.sig`: an OpenSSH signature (PROTOCOL.sshsig) over the bytes of `vault.lock`.

use miette::Diagnostic;
use ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};
use thiserror::Error;

use crate::{
    signers::{AllowedSigners, Signer},
    ssh::{SshKey, fingerprint},
};

/// The signature's namespace, for `ssh-keygen -Y verify -n`.
pub const NAMESPACE: &str = "odbox-vault";

/// The only version of SSHSIG.
const VERSION: u32 = 1;

/// Something that can sign locks: a key at hand, or a program that holds one.
pub trait LockSigner {
    /// The public key that the signature will be checked with.
    fn public_key(&self) -> &PublicKey;

    /// Signs the bytes of a lock. The result is the text of the signature file.
    ///
    /// # Errors
    ///
    /// If the key cannot sign.
    fn sign_lock(&self, lock: &[u8]) -> Result<String, SignatureError>;
}

impl LockSigner for SshKey {
    fn public_key(&self) -> &PublicKey {
        self.public_key()
    }

    fn sign_lock(&self, lock: &[u8]) -> Result<String, SignatureError> {
        self.private_key()
            .sign(NAMESPACE, HashAlg::Sha512, lock)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(|error| SignatureError::Sign(error.to_string()))
    }
}

/// Checks the signature file over the bytes of a lock and gives back who signed.
///
/// # Errors
///
/// If the file is not exactly one canonical SSHSIG of SHA-512 in our namespace (stock tools
/// accept flipped bits and trailing junk), if its key is none of the `trusted` signers, or if
/// it was made over other bytes.
pub fn verify<'a>(
    file: &[u8],
    lock: &[u8],
    trusted: &'a AllowedSigners,
) -> Result<&'a Signer, SignatureError> {
    let signature = SshSig::from_pem(file).map_err(|_| SignatureError::Malformed)?;
    let canonical = signature.to_pem(LineEnding::LF).map_err(|_| SignatureError::Malformed)?;
    if canonical.as_bytes() != file {
        return Err(SignatureError::Malformed);
    }
    // The version is not part of what is signed, so nothing else would notice another one.
    if signature.version() != VERSION {
        return Err(SignatureError::Malformed);
    }
    if signature.namespace() != NAMESPACE || signature.hash_alg() != HashAlg::Sha512 {
        return Err(SignatureError::Purpose);
    }
    let key = PublicKey::from(signature.public_key().clone());
    let signer = trusted.find(key.key_data()).ok_or_else(|| SignatureError::Untrusted(fingerprint(&key)))?;
    key.verify(NAMESPACE, lock, &signature).map_err(|_| SignatureError::Mismatch)?;
    Ok(signer)
}

/// Why a lock is not validly signed.
#[derive(Debug, Error, Diagnostic)]
pub enum SignatureError {
    /// The key cannot sign.
    #[error("cannot sign the lock: {0}")]
    Sign(String),
    /// Not one SSHSIG, or not canonically encoded.
    #[error("vault.lock.sig is not a well-formed SSH signature")]
    #[diagnostic(help("restore it from Git: `git checkout -- vault.lock vault.lock.sig`"))]
    Malformed,
    /// Another namespace or hash.
    #[error("vault.lock.sig was made for another purpose than an odbox vault")]
    #[diagnostic(help(
        "a vault's signature has the namespace odbox-vault and the hash sha512; sign with `vaultgen`"
    ))]
    Purpose,
    /// Signed by a key that is not trusted here.
    #[error("vault.lock is signed by {0}, which is none of the trusted signers")]
    #[diagnostic(help(
        "if you know this key to be a signer's, add it to the allowed signers; else somebody replaced vault.lock.sig, or the whole vault"
    ))]
    Untrusted(String),
    /// Signed by a trusted key, but other bytes.
    #[error("vault.lock is not what was signed")]
    #[diagnostic(help(
        "vault.lock or vault.lock.sig was changed after signing: restore both from Git, or find out who changed them"
    ))]
    Mismatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &[u8] = b"version = 1\n";

    fn signed() -> (AllowedSigners, String) {
        let key = SshKey::generate("").unwrap();
        let signer = Signer::new("alice", key.public_key().clone()).unwrap();
        let trusted = AllowedSigners::parse(&signer.to_string()).unwrap();
        (trusted, key.sign_lock(LOCK).unwrap())
    }

    #[test]
    fn a_good_signature_names_its_signer() {
        let (trusted, file) = signed();
        assert_eq!(verify(file.as_bytes(), LOCK, &trusted).unwrap().principal(), "alice");
    }

    #[test]
    fn another_lock_or_another_signer_is_refused() {
        let (trusted, file) = signed();
        assert!(matches!(verify(file.as_bytes(), b"version = 2\n", &trusted), Err(SignatureError::Mismatch)));
        let (others, _) = signed();
        assert!(matches!(verify(file.as_bytes(), LOCK, &others), Err(SignatureError::Untrusted(_))));
    }

    #[test]
    fn every_flipped_bit_and_any_junk_is_refused() {
        let (trusted, file) = signed();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone().into_bytes();
                flipped[at] ^= 1 << bit;
                assert!(verify(&flipped, LOCK, &trusted).is_err(), "bit {bit} of byte {at}");
            }
        }
        for junk in
            [format!("{file}\n"), format!("{file}junk"), format!("\n{file}"), file.replace('\n', "\r\n")]
        {
            assert!(verify(junk.as_bytes(), LOCK, &trusted).is_err());
        }
    }

    #[test]
    fn another_namespace_is_refused() {
        let key = SshKey::generate("").unwrap();
        let signer = Signer::new("alice", key.public_key().clone()).unwrap();
        let trusted = AllowedSigners::parse(&signer.to_string()).unwrap();
        let other =
            key.private_key().sign("git", HashAlg::Sha512, LOCK).unwrap().to_pem(LineEnding::LF).unwrap();
        assert!(matches!(verify(other.as_bytes(), LOCK, &trusted), Err(SignatureError::Purpose)));
    }
}
