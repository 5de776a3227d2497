//! A new state of a vault: what is new is encrypted, what has another audience is encrypted anew
//! (or, if nobody left it, opened to who joined), the lock is rebuilt and signed, and all of it moved
//! into place at once.

mod error;
mod stage;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

pub use self::error::ChangeError;
use crate::{
    Digest, Identities, Lock, Plaintext, Recipient, SIGNERS_FILE, SecretName, Timestamp, VaultFiles,
    Verified, cipher,
    facts::Facts,
    folder::MAX_FILE,
    lock::{LockedSecret, MAX_ANCESTORS, Origin},
    policy::{Kind, PolicyEditor, SecretTable},
    proposal::{Difference, Proposal},
    signature::LockSigner,
    signers::{AllowedSigners, Signer},
    standard::StandardTemplate,
    transaction::{ExclusiveFolder, Staging},
    verify::MAX_PUBLIC,
};

/// A secret on its way into the vault.
#[derive(Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// What the policy says of it, unless it says something already.
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
    signers: AllowedSigners,
    now: Timestamp,
    secrets: Vec<NewSecret>,
    known: BTreeMap<SecretName, BTreeSet<Recipient>>,
    adopted: BTreeMap<SecretName, Arc<dyn VaultFiles>>,
    removed: BTreeSet<String>,
    rekeyed: BTreeSet<SecretName>,
    public_files: BTreeMap<String, Vec<u8>>,
    private_files: BTreeMap<String, Plaintext>,
}

/// What a change did.
#[derive(Debug)]
pub struct Applied {
    /// The lock of the new state.
    pub lock: Lock,
    /// SHA-256 of its file: the name of the new state.
    pub lock_digest: Digest,
    /// Who signed it.
    pub signer: Signer,
    /// Who may sign the next.
    pub signers: AllowedSigners,
    /// The policy of the new state.
    pub policy_text: String,
    /// The secrets whose value stayed and which were encrypted anew.
    pub reencrypted: BTreeSet<SecretName>,
}

/// A change that is encrypted, signed and staged. Dropped, it leaves the vault as it was.
#[derive(Debug)]
pub struct Prepared<'a> {
    staging: Staging<'a>,
    applied: Applied,
}

impl Prepared<'_> {
    /// What it will have done.
    #[must_use]
    pub fn applied(&self) -> &Applied {
        &self.applied
    }

    /// Moves it into place, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the files cannot be moved.
    pub fn commit(self) -> Result<Applied, ChangeError> {
        self.staging.commit()?;
        Ok(self.applied)
    }
}

impl Change {
    /// The first state of a new vault.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn create(
        policy: PolicyEditor,
        signers: &AllowedSigners,
        now: Timestamp,
    ) -> Result<Self, ChangeError> {
        let mut change = Self::on(Lock::new()?, policy, signers.clone(), now);
        change.put_signers(signers.clone());
        Ok(change)
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
        Ok(Self::on(lock, policy, base.signers().clone(), now))
    }

    /// The state that a proposal makes, for a signer who has seen what it means. Ciphertext that
    /// somebody else wrote is decrypted and encrypted anew, since nobody can tell from the outside
    /// whom it was encrypted to.
    ///
    /// # Errors
    ///
    /// If a proposed secret cannot be decrypted, or is not of its kind.
    pub fn of(
        proposal: &Proposal,
        files: &dyn VaultFiles,
        identities: &Identities,
        now: Timestamp,
    ) -> Result<Self, ChangeError> {
        let mut lock = proposal.lock().clone();
        lock.ancestors.insert(0, proposal.lock_digest());
        lock.ancestors.truncate(MAX_ANCESTORS);
        let policy = PolicyEditor::of(proposal.policy_text()).map_err(|_| ChangeError::Editor)?;
        let mut change = Self::on(lock, policy, proposal.signers().clone(), now);
        let signed = proposal.lock().secrets.values();
        let signed: HashMap<Digest, &LockedSecret> = signed.map(|secret| (secret.sha256, secret)).collect();
        for difference in proposal.differences() {
            match difference {
                Difference::PublicFile(path) => change.put_public_file(path, files.read(path, MAX_PUBLIC)?),
                Difference::PublicFileGone(path) => drop(change.lock.files.remove(path)),
                Difference::Removed(name) => change.remove_secret(name),
                Difference::Added(name) | Difference::Changed(name) => {
                    let kind = proposal.policy().secret(name).kind;
                    let ciphertext = files.read(&name.ciphertext_path(), MAX_FILE)?;
                    // What was moved or copied is known to whoever could read it where it was.
                    if let Some(source) = signed.get(&Digest::of(&ciphertext)) {
                        let known = source.recipients.union(&source.exposed_to).cloned().collect();
                        change.known.insert(name.clone(), known);
                    }
                    change.secrets.push(proposed_secret(&ciphertext, name, kind, identities)?);
                }
            }
        }
        Ok(change)
    }

    /// The state in which secrets whose ciphertext is gone have new values, and public files that are
    /// gone new bytes; all else is as signed. What the policy says of them stays.
    ///
    /// # Errors
    ///
    /// If anything but these secrets is not as it was signed.
    pub fn renewing(
        proposal: &Proposal,
        secrets: Vec<NewSecret>,
        public_files: BTreeMap<String, Vec<u8>>,
        now: Timestamp,
    ) -> Result<Self, ChangeError> {
        let renewed: BTreeSet<&SecretName> = secrets.iter().map(|secret| &secret.name).collect();
        let is_renewed = |difference: &&Difference| match difference {
            Difference::Removed(name) => renewed.contains(name),
            Difference::PublicFileGone(path) => public_files.contains_key(path),
            _ => false,
        };
        if let Some(other) = proposal.differences().iter().find(|difference| !is_renewed(difference)) {
            return Err(ChangeError::Unsigned(other.clone()));
        }
        let mut lock = proposal.lock().clone();
        lock.ancestors.insert(0, proposal.lock_digest());
        lock.ancestors.truncate(MAX_ANCESTORS);
        let policy = PolicyEditor::of(proposal.policy_text()).map_err(|_| ChangeError::Editor)?;
        let mut change = Self::on(lock, policy, proposal.signers().clone(), now);
        secrets.into_iter().for_each(|secret| change.put_secret(secret));
        change.public_files.extend(public_files);
        Ok(change)
    }

    pub(crate) fn on(lock: Lock, policy: PolicyEditor, signers: AllowedSigners, now: Timestamp) -> Self {
        Self {
            lock,
            policy,
            signers,
            now,
            secrets: Vec::new(),
            known: BTreeMap::new(),
            adopted: BTreeMap::new(),
            removed: BTreeSet::new(),
            rekeyed: BTreeSet::new(),
            public_files: BTreeMap::new(),
            private_files: BTreeMap::new(),
        }
    }

    /// The policy of the new state, to change. A secret that gets another audience is encrypted
    /// anew.
    pub fn policy(&mut self) -> &mut PolicyEditor {
        &mut self.policy
    }

    /// Puts a secret in, in place of one of the same name. A table that the policy has for it
    /// stays.
    pub fn put_secret(&mut self, secret: NewSecret) {
        if !self.policy.has_secret(&secret.name) {
            self.policy.set_secret(&secret.name, &secret.table);
        }
        self.secrets.push(secret);
    }

    /// Whether a secret gets a new value.
    #[must_use]
    pub fn has_new(&self, name: &SecretName) -> bool {
        self.secrets.iter().any(|secret| secret.name == *name)
    }

    /// As [`Self::put_secret`], for a value that the owners of these keys know already.
    pub fn put_known_secret(&mut self, secret: NewSecret, known_to: &BTreeSet<Recipient>) {
        self.known.insert(secret.name.clone(), known_to.clone());
        self.put_secret(secret);
    }

    /// Takes a secret out, with its table in the policy.
    pub fn remove_secret(&mut self, name: &SecretName) {
        self.policy.remove_secret(name);
        self.lock.secrets.remove(name);
        self.removed.insert(name.ciphertext_path());
    }

    /// Takes a secret over as another state has it, whose ciphertext is in `files`. It is copied as it
    /// is, or encrypted anew where the policy now names another audience.
    pub fn adopt_secret(&mut self, name: &SecretName, secret: LockedSecret, files: &Arc<dyn VaultFiles>) {
        self.lock.secrets.insert(name.clone(), secret);
        self.adopted.insert(name.clone(), Arc::clone(files));
    }

    /// Encrypts a secret anew though its audience is the same.
    pub fn rekey(&mut self, name: &SecretName) {
        self.rekeyed.insert(name.clone());
    }

    /// Puts another list of signers in: who may sign this state and the next.
    pub fn put_signers(&mut self, signers: AllowedSigners) {
        self.public_files.insert(SIGNERS_FILE.to_owned(), signers.to_string().into_bytes());
        self.signers = signers;
    }

    /// Puts a public file in, which the lock then covers.
    pub fn put_public_file(&mut self, path: &str, bytes: Vec<u8>) {
        self.public_files.insert(path.to_owned(), bytes);
    }

    /// Puts a template in that every Odoo vault has, for these groups; none for those of the defaults.
    pub fn put_template(&mut self, template: &StandardTemplate, audience: &[String]) {
        let StandardTemplate { path, source, text, owner, .. } = template;
        self.policy.add_template(path, source, audience, owner);
        self.put_public_file(source.as_str(), text.as_bytes().to_vec());
    }

    /// Takes a public file out.
    pub fn remove_public_file(&mut self, path: &str) {
        self.lock.files.remove(path);
        self.removed.insert(path.to_owned());
    }

    /// Puts a key file of the operator in, which Git ignores and the lock does not know.
    pub fn put_private_file(&mut self, path: &str, bytes: Plaintext) {
        self.private_files.insert(path.to_owned(), bytes);
    }

    /// Encrypts on all cores, signs, and moves the new state into place, whole or not at all. The
    /// identities are needed only for secrets that get another audience; each is held in memory
    /// only while it is encrypted anew.
    ///
    /// # Errors
    ///
    /// If the policy or the new state is not sound, the key is none of the signers, or anything
    /// cannot be decrypted, encrypted, signed or written.
    pub fn apply(
        self,
        folder: &ExclusiveFolder,
        key: &dyn LockSigner,
        identities: &Identities,
    ) -> Result<Applied, ChangeError> {
        self.prepare(folder, key, identities)?.commit()
    }
}

/// A secret that somebody put into the folder without signing.
fn proposed_secret(
    ciphertext: &[u8],
    name: &SecretName,
    kind: Kind,
    identities: &Identities,
) -> Result<NewSecret, ChangeError> {
    let plaintext = cipher::decrypt(ciphertext, identities)
        .map_err(|error| ChangeError::Cipher { name: name.clone(), error })?;
    let facts =
        Facts::of(kind, &plaintext).map_err(|error| ChangeError::Kind { name: name.clone(), error })?;
    let table = SecretTable { kind, ..SecretTable::default() };
    Ok(NewSecret { name: name.clone(), table, plaintext, origin: Origin::Imported, facts })
}
