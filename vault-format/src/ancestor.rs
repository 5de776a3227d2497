//! An earlier state, known by the digest that a verified one names among its ancestors. Its own
//! signature counts no more: whoever signed it may have been removed since.

use std::sync::Arc;

use crate::{
    Change, Digest, LOCK_FILE, Lock, POLICY_FILE, SIGNERS_FILE, Timestamp, VaultFiles, Verified,
    change::ChangeError,
    lock::MAX_BYTES,
    signers::AllowedSigners,
    verify::{MAX_PUBLIC, Problem, Unsound, read_signers, read_text},
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

impl Ancestor {
    /// The change that makes this state, whose files are `files`, the next one after `present`. Who may
    /// sign stays as it is: a removed signer does not come back. Whoever could read a value that comes back,
    /// also in a state `between`, knows it.
    ///
    /// # Errors
    ///
    /// If a public file is not what the lock says.
    pub fn restored(
        &self,
        present: &Verified,
        files: &Arc<dyn VaultFiles>,
        between: &[Self],
        now: Timestamp,
    ) -> Result<Change, ChangeError> {
        let mut change = Change::after(present, now)?;
        change.policy().restore(&self.policy_text).map_err(|_| ChangeError::Editor)?;
        for path in self.lock.files.keys().filter(|path| !is_kept(path)) {
            let bytes = public_file(&**files, &self.lock, path).map_err(Unsound::from)?;
            change.put_public_file(path, bytes);
        }
        let now_gone = |path: &&String| !is_kept(path) && !self.lock.files.contains_key(*path);
        present.lock().files.keys().filter(now_gone).for_each(|path| change.remove_public_file(path));
        for (name, then) in &self.lock.secrets {
            let mut entry = then.clone();
            let between = between.iter().map(|state| &state.lock);
            let states = between.chain([present.lock()]).filter_map(|lock| lock.secrets.get(name));
            let same_value = states.filter(|known| known.rotated == then.rotated);
            for known in same_value.chain([then]) {
                entry.exposed_to.extend(known.exposed_to.iter().chain(&known.recipients).cloned());
            }
            change.adopt_secret(name, entry, files);
        }
        let gone = present.lock().secrets.keys().filter(|name| !self.lock.secrets.contains_key(*name));
        gone.for_each(|name| change.remove_secret(name));
        Ok(change)
    }
}

/// What a restored state does not bring back as a file: the policy is edited, the signers stay.
fn is_kept(path: &str) -> bool {
    [POLICY_FILE, SIGNERS_FILE].contains(&path)
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
