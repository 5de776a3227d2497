//! An earlier state, known by the digest that a verified one names among its ancestors. Its own
//! signature counts no more: whoever signed it may have been removed since.

use crate::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, SIGNERS_FILE, VaultFiles, Verified,
    lock::MAX_BYTES,
    signers::AllowedSigners,
    verify::{MAX_PUBLIC, Problem, read_signers, read_text},
};

/// The lock and the policy of an earlier state. Only [`Ancestor::of`] makes one.
#[derive(Debug)]
pub struct Ancestor {
    lock: Lock,
    lock_digest: Digest,
    policy_text: String,
    signers: AllowedSigners,
}

impl Ancestor {
    /// Reads the state in `files`, which `descendant` must name as its ancestor or be. Ciphertext is
    /// not read; whoever does holds it against the lock.
    ///
    /// # Errors
    ///
    /// If it is no ancestor, or its public files are not what its lock says.
    pub fn of(descendant: &Verified, files: &dyn VaultFiles) -> Result<Self, Problem> {
        let bytes = files.read(LOCK_FILE, MAX_BYTES)?;
        let lock_digest = Digest::of(&bytes);
        if lock_digest != descendant.lock_digest() && !descendant.lock().ancestors.contains(&lock_digest) {
            return Err(Problem::NotAnAncestor { serial: descendant.lock().serial });
        }
        let lock = Lock::parse(&read_text(LOCK_FILE, bytes)?)?;
        let policy_text = read_text(POLICY_FILE, public_file(files, &lock, POLICY_FILE)?)?;
        let signers = read_signers(public_file(files, &lock, SIGNERS_FILE)?)?;
        Ok(Self { lock, lock_digest, policy_text, signers })
    }

    /// The facts about every file.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// SHA-256 of the lock file: the name of this state.
    #[must_use]
    pub fn lock_digest(&self) -> Digest {
        self.lock_digest
    }

    /// The policy as its authors wrote it.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.policy_text
    }

    /// Who could sign then.
    #[must_use]
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }
}

/// Reads a public file that `lock` covers.
///
/// # Errors
///
/// If it is not there, or not what the lock says.
pub(crate) fn public_file(files: &dyn VaultFiles, lock: &Lock, path: &str) -> Result<Vec<u8>, Problem> {
    let bytes = files.read(path, MAX_PUBLIC)?;
    if lock.files.get(path) == Some(&Digest::of(&bytes)) {
        Ok(bytes)
    } else {
        Err(Problem::Changed(path.to_owned()))
    }
}
