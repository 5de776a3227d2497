//! What there is beyond the last signed state: a policy edited by hand, a change that
//! somebody without a signing key proposes, or damage. Only a signer can tell which.

use std::{collections::BTreeSet, fmt};

use crate::{
    CIPHERTEXT_SUFFIX, Digest, Lock, POLICY_FILE, Policy, SIGNERS_FILE, SecretName, VaultFiles,
    folder::MAX_FILE,
    progress::Work,
    signers::{AllowedSigners, Signer},
    verify::{MAX_PUBLIC, Problem, Unsound, authenticate, is_known, read_policy, read_signers},
};

/// Files whose lock is authentic, with all that differs from it.
#[derive(Debug)]
pub struct Proposal {
    lock: Lock,
    lock_digest: Digest,
    signer: Signer,
    policy: Policy,
    policy_text: String,
    signers: AllowedSigners,
    differences: BTreeSet<Difference>,
}

/// A file that is not as the last signed state has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A public file with other bytes, or one that is new.
    PublicFile(String),
    /// A public file that is gone.
    PublicFileGone(String),
    /// A ciphertext with other bytes.
    Changed(SecretName),
    /// A ciphertext that the lock does not know.
    Added(SecretName),
    /// A ciphertext that is gone.
    Removed(SecretName),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicFile(path) => write!(f, "changed file     {path}"),
            Self::PublicFileGone(path) => write!(f, "removed file     {path}"),
            Self::Changed(name) => write!(f, "changed secret   {name}"),
            Self::Added(name) => write!(f, "new secret       {name}"),
            Self::Removed(name) => write!(f, "removed secret   {name}"),
        }
    }
}

impl Proposal {
    /// Authenticates the lock in `files` against the signers that the caller trusts, and compares
    /// every file with it.
    ///
    /// # Errors
    ///
    /// If the signature does not hold, the policy or the signers as they are now are malformed, or
    /// a file cannot be read or has no name that a secret can have.
    pub fn read(files: &dyn VaultFiles, trusted: &AllowedSigners) -> Result<Self, Unsound> {
        let (lock, lock_digest, signer) = authenticate(files, trusted)?;
        let read = |path| files.read(path, MAX_PUBLIC).map_err(Problem::from);
        let (policy, policy_text) = read_policy(read(POLICY_FILE)?)?;
        let signers = read_signers(read(SIGNERS_FILE)?)?;
        let mut differences = BTreeSet::new();
        compare_public_files(files, &lock, &mut differences)?;
        compare_secrets(files, &lock, &mut differences)?;
        find_new_files(files, &lock, &mut differences)?;
        Ok(Self { lock, lock_digest, signer, policy, policy_text, signers, differences })
    }

    /// The last signed lock.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// SHA-256 of the last signed lock.
    #[must_use]
    pub fn lock_digest(&self) -> Digest {
        self.lock_digest
    }

    /// Who signed it.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The policy as it is now.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy as it is now, as text.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.policy_text
    }

    /// The signers as they are now.
    #[must_use]
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// Whether anything has to be decrypted to sign this: new ciphertext, or what gets another audience.
    #[must_use]
    pub fn needs_identities(&self) -> bool {
        let is_new = |difference| matches!(difference, &Difference::Added(_) | &Difference::Changed(_));
        let mut secrets = self.lock.secrets.iter();
        self.differences.iter().any(is_new)
            || secrets.any(|(name, secret)| self.policy.secret(name).audience != secret.recipients)
    }

    /// Every file that is not as signed.
    #[must_use]
    pub fn differences(&self) -> &BTreeSet<Difference> {
        &self.differences
    }
}

fn compare_public_files(
    files: &dyn VaultFiles,
    lock: &Lock,
    found: &mut BTreeSet<Difference>,
) -> Result<(), Problem> {
    for (path, digest) in &lock.files {
        match files.read_if_present(path, MAX_PUBLIC)? {
            None => found.insert(Difference::PublicFileGone(path.clone())),
            Some(bytes) if Digest::of(&bytes) != *digest => {
                found.insert(Difference::PublicFile(path.clone()))
            }
            Some(_) => false,
        };
    }
    Ok(())
}

fn compare_secrets(
    files: &dyn VaultFiles,
    lock: &Lock,
    found: &mut BTreeSet<Difference>,
) -> Result<(), Problem> {
    let work = Work::on("comparing", lock.secrets.len());
    for (name, secret) in &lock.secrets {
        work.advances();
        match files.read_if_present(&name.ciphertext_path(), MAX_FILE)? {
            None => found.insert(Difference::Removed(name.clone())),
            Some(bytes) if Digest::of(&bytes) != secret.sha256 => {
                found.insert(Difference::Changed(name.clone()))
            }
            Some(_) => false,
        };
    }
    Ok(())
}

fn find_new_files(
    files: &dyn VaultFiles,
    lock: &Lock,
    found: &mut BTreeSet<Difference>,
) -> Result<(), Problem> {
    for entry in files.entries()? {
        let path = entry.path;
        if !entry.is_plain_file {
            return Err(Problem::NotPlain(path));
        }
        if lock.files.contains_key(&path) || is_known(&path) {
            continue;
        }
        if let Some(name) = path.strip_suffix(CIPHERTEXT_SUFFIX) {
            let name: SecretName = name.parse().map_err(|_| Problem::Extra(path.clone()))?;
            if !lock.secrets.contains_key(&name) {
                found.insert(Difference::Added(name));
            }
        } else if path.starts_with("templates/") || path.ends_with(".pub") {
            found.insert(Difference::PublicFile(path));
        }
    }
    Ok(())
}
