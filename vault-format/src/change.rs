//! A new state of a vault: what is new is encrypted, the lock rebuilt, signed, and all of it
//! moved into place at once.

use std::collections::BTreeMap;

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;

use crate::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, Plaintext, Policy, SIGNATURE_FILE, SecretName, Timestamp, Verified,
    cipher::{self, CipherError},
    folder::FolderError,
    lock::{Facts, LockError, LockedSecret, MAX_ANCESTORS, Origin},
    policy::{PolicyEditor, PolicyError, SecretTable},
    signature::{self, SignatureError},
    ssh::SshKey,
    transaction::{ExclusiveFolder, Writes},
    verify::{Unsound, disagreements},
};

/// A secret on its way into the vault.
#[derive(Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// What the policy says of it.
    pub table: SecretTable,
    /// Its value.
    pub plaintext: Plaintext,
    /// Where the value comes from.
    pub origin: Origin,
    /// What an auditor may know of it.
    pub facts: Option<Facts>,
}

/// A change being put together. Nothing is written before [`Change::apply`].
#[derive(Debug)]
pub struct Change {
    lock: Lock,
    policy: PolicyEditor,
    now: Timestamp,
    secrets: Vec<NewSecret>,
    writes: Writes,
}

impl Change {
    /// The first state of a new vault.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn create(policy: PolicyEditor, now: Timestamp) -> Result<Self, ChangeError> {
        Ok(Self { lock: Lock::new()?, policy, now, secrets: Vec::new(), writes: Writes::default() })
    }

    /// The state after a verified one.
    ///
    /// # Errors
    ///
    /// None in practice: a verified policy is TOML.
    pub fn after(base: &Verified, now: Timestamp) -> Result<Self, ChangeError> {
        let mut lock = base.lock().clone();
        lock.ancestors.insert(0, base.lock_digest());
        lock.ancestors.truncate(MAX_ANCESTORS);
        let policy = PolicyEditor::of(base.policy_text()).map_err(|_| ChangeError::Editor)?;
        Ok(Self { lock, policy, now, secrets: Vec::new(), writes: Writes::default() })
    }

    /// Puts a secret in, in place of one of the same name.
    pub fn put_secret(&mut self, secret: NewSecret) {
        self.policy.set_secret(&secret.name, &secret.table);
        self.secrets.push(secret);
    }

    /// Puts a public file in, which the lock then covers.
    pub fn put_public_file(&mut self, path: &str, bytes: Vec<u8>) {
        self.lock.files.insert(path.to_owned(), Digest::of(&bytes));
        self.writes.public(path, bytes);
    }

    /// Puts a key file of the operator in, which Git ignores and the lock does not know.
    pub fn put_private_file(&mut self, path: &str, bytes: Plaintext) {
        self.writes.private(path, bytes);
    }

    /// Encrypts what is new on all cores, signs, and moves the new state into place, whole or
    /// not at all. Gives back its lock.
    ///
    /// # Errors
    ///
    /// If the policy or the new state is not sound, or it cannot be encrypted, signed or written.
    pub fn apply(mut self, folder: &ExclusiveFolder, key: &SshKey) -> Result<Lock, ChangeError> {
        let policy_text = self.policy.text();
        let policy = Policy::parse(&policy_text)?;
        self.put_public_file(POLICY_FILE, policy_text.into_bytes());
        self.encrypt(&policy)?;
        let problems = disagreements(&policy, &self.lock);
        if !problems.is_empty() {
            return Err(Unsound::from_iter(problems).into());
        }
        self.lock.serial += 1;
        let lock = self.lock.to_text()?.into_bytes();
        let signature = signature::sign(key, &lock)?;
        self.writes.public(LOCK_FILE, lock);
        self.writes.public(SIGNATURE_FILE, signature.into_bytes());
        folder.apply(&self.writes)?;
        Ok(self.lock)
    }

    fn encrypt(&mut self, policy: &Policy) -> Result<(), ChangeError> {
        let encrypted: BTreeMap<SecretName, (LockedSecret, Vec<u8>)> = std::mem::take(&mut self.secrets)
            .into_par_iter()
            .map(|secret| {
                let recipients = policy.secret(&secret.name).audience.clone();
                let ciphertext = cipher::encrypt(&secret.plaintext, &recipients)
                    .map_err(|error| ChangeError::Encrypt { name: secret.name.clone(), error })?;
                let locked = LockedSecret {
                    sha256: Digest::of(&ciphertext),
                    recipients,
                    created: self.lock.secrets.get(&secret.name).map_or(self.now, |old| old.created),
                    rotated: self.now,
                    origin: secret.origin,
                    facts: secret.facts,
                };
                Ok((secret.name, (locked, ciphertext)))
            })
            .collect::<Result<_, ChangeError>>()?;
        for (name, (locked, ciphertext)) in encrypted {
            self.writes.public(name.ciphertext_path(), ciphertext);
            self.lock.secrets.insert(name, locked);
        }
        Ok(())
    }
}

/// Why a change was not made. The vault is what it was before.
#[derive(Debug, Error, Diagnostic)]
pub enum ChangeError {
    /// The verified policy could not be edited.
    #[error("vault.toml cannot be edited")]
    Editor,
    /// The new policy is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Policy(#[from] PolicyError),
    /// The new state contradicts itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unsound(#[from] Unsound),
    /// A secret cannot be encrypted.
    #[error("{name}: {error}")]
    Encrypt {
        /// The secret.
        name: SecretName,
        /// Why.
        error: CipherError,
    },
    /// The lock cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// The lock cannot be signed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    /// The files cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
}
