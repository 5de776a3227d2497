//! `vault.lock.sig`: an OpenSSH signature (PROTOCOL.sshsig) over the bytes of `vault.lock`.

use miette::Diagnostic;
use ssh_encoding::{Encode, EncodePem, Writer, pem::PemLabel};
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, SshSig};
use thiserror::Error;

use crate::{
    signers::{AllowedSigners, Signer},
    ssh::{SshKey, fingerprint},
};

/// The signature's namespace, for `ssh-keygen -Y verify -n`.
pub const NAMESPACE: &str = "odbox-vault";

/// The only version of SSHSIG.
const VERSION: u32 = 1;

/// What a security key adds to its signature: a byte of flags and a counter (PROTOCOL.u2f).
const SECURITY_KEY_TRAILER: usize = 5;
/// The flag that says that somebody touched it.
const USER_PRESENT: u8 = 0x01;

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
/// accept flipped bits and trailing junk), if its key is none of the `trusted` signers, if it was
/// made over other bytes, or by a security key that nobody touched.
pub fn verify<'a>(
    file: &[u8],
    lock: &[u8],
    trusted: &'a AllowedSigners,
) -> Result<&'a Signer, SignatureError> {
    let signature = SshSig::from_pem(file).map_err(|_| SignatureError::Malformed)?;
    let canonical = Canonical(&signature).encode_pem_string(LineEnding::LF);
    let canonical = canonical.map_err(|_| SignatureError::Malformed)?;
    if canonical.as_bytes() != file {
        return Err(SignatureError::Malformed);
    }
    // The version is not part of what is signed, so nothing else would notice another one.
    if signature.version() != VERSION || !is_of_its_key(&signature) {
        return Err(SignatureError::Malformed);
    }
    if signature.namespace() != NAMESPACE || signature.hash_alg() != HashAlg::Sha512 {
        return Err(SignatureError::Purpose);
    }
    let key = PublicKey::from(signature.public_key().clone());
    let signer = trusted.find(key.key_data()).ok_or_else(|| SignatureError::Untrusted(fingerprint(&key)))?;
    key.verify(NAMESPACE, lock, &signature).map_err(|_| SignatureError::Mismatch)?;
    // OpenSSH shows this flag and lets it pass; but a program can sign with such a key unseen.
    if is_of_security_key(&signature) && !was_touched(&signature) {
        return Err(SignatureError::Untouched);
    }
    Ok(signer)
}

/// Whether the signature says that it is of the algorithm of its key; the library does not ask for all
/// of them.
fn is_of_its_key(signature: &SshSig) -> bool {
    match (signature.public_key().algorithm(), signature.algorithm()) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { hash }) => hash.is_some(),
        (key, signature) => key == signature,
    }
}

fn is_of_security_key(signature: &SshSig) -> bool {
    matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

fn was_touched(signature: &SshSig) -> bool {
    let trailer = signature.signature_bytes().last_chunk::<SECURITY_KEY_TRAILER>();
    trailer.is_some_and(|[flags, ..]| flags & USER_PRESENT != 0)
}

/// A signature as OpenSSH writes it. The library's own encoding of one by an ECDSA security key counts
/// the flags and the counter to the bytes before them (fixed in ssh-key 0.7).
struct Canonical<'a>(&'a SshSig);

impl Encode for Canonical<'_> {
    fn encoded_len(&self) -> ssh_encoding::Result<usize> {
        self.0.encoded_len()
    }

    fn encode(&self, writer: &mut impl Writer) -> ssh_encoding::Result<()> {
        let mut bytes = Vec::new();
        self.0.encode(&mut bytes)?;
        if self.0.algorithm() == Algorithm::SkEcdsaSha2NistP256 {
            // The last field, and before it the length that is wrong.
            let data = self.0.signature_bytes().len();
            let length = data.checked_sub(SECURITY_KEY_TRAILER).ok_or(ssh_encoding::Error::Length)?;
            let length = u32::try_from(length)?.to_be_bytes();
            let at = bytes.len().checked_sub(data + length.len()).ok_or(ssh_encoding::Error::Length)?;
            bytes[at..at + length.len()].copy_from_slice(&length);
        }
        writer.write(&bytes)
    }
}

impl PemLabel for Canonical<'_> {
    const PEM_LABEL: &'static str = SshSig::PEM_LABEL;
}

/// Why a lock is not validly signed.
#[derive(Debug, Error, Diagnostic)]
pub enum SignatureError {
    /// The key cannot sign.
    #[error("cannot sign the lock: {0}")]
    #[diagnostic(help(
        "plug in and touch the token, or start the agent that holds the key; what OpenSSH printed says more"
    ))]
    Sign(String),
    /// Not one SSHSIG, or not canonically encoded.
    #[error("vault.lock.sig is not a well-formed SSH signature")]
    #[diagnostic(help(
        "bring both back: `git checkout -- vault.lock vault.lock.sig` in a clone, elsewhere a fresh copy of the vault"
    ))]
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
    /// Signed by a security key, and nobody was there.
    #[error("vault.lock.sig is of a security key that nobody touched")]
    #[diagnostic(help(
        "sign with a key that asks for a touch: made by `ssh-keygen -t ed25519-sk`, without no-touch-required"
    ))]
    Untouched,
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
