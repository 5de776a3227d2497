//! Whose a key was that is in no audience any more: the name that an older policy has for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use gix::{ObjectId, bstr::ByteSlice};
use memchr::memmem;
use serde::Serialize;
use vault_format::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, Policy, Recipient, SIGNATURE_FILE, SIGNERS_FILE,
    audit::{Grade, Readers},
    lock::{self, VaultId},
    policy, signature,
    signers::AllowedSigners,
};

/// Most states whose signature is checked: whoever can push can bring any number of them.
const MAX_CHECKED: usize = 200;
/// Most bytes of a signature, and of a list of signers.
const MAX_SIGNATURE: u64 = 1 << 16;
const MAX_SIGNERS: u64 = 1 << 20;

/// What a policy calls a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormerName {
    /// The people and machines that have it.
    pub names: Vec<String>,
    /// How far that can be believed.
    pub grade: Grade,
    /// The commit whose policy says so; nothing where the state itself does that is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The names that a policy has for some keys.
#[must_use]
pub fn in_policy(policy: &Policy, keys: &BTreeSet<Recipient>) -> BTreeMap<Recipient, Vec<String>> {
    let readers = Readers::of(policy);
    let named = keys.iter().map(|key| (key.clone(), readers.names_of(key).map(str::to_owned).collect()));
    named.filter(|(_, names): &(_, Vec<String>)| !names.is_empty()).collect()
}

/// Looks for the names of keys in the policies of a vault.
pub struct Search<'a> {
    repository: &'a gix::Repository,
    vault: &'a Path,
    /// Another vault at the same path may call others by the same keys.
    id: &'a VaultId,
    /// Whose signature makes a name a signed claim: those who may sign, and those who could once.
    signers: &'a AllowedSigners,
    /// Those that have no name by a signed policy yet.
    wanted: BTreeSet<Recipient>,
    found: BTreeMap<Recipient, FormerName>,
    /// What the policies say that were looked at, by their blobs: most commits have the policy of the one before.
    policies: HashMap<ObjectId, BTreeMap<Recipient, Vec<String>>>,
    checked: usize,
}

impl<'a> Search<'a> {
    /// A search in the policies of the vault with this path in the repository. `signers` is the list of the state that
    /// is looked at, which has those who could sign once too.
    #[must_use]
    pub fn new(
        repository: &'a gix::Repository,
        vault: &'a Path,
        id: &'a VaultId,
        signers: &'a AllowedSigners,
        wanted: BTreeSet<Recipient>,
    ) -> Self {
        let (found, policies) = (BTreeMap::new(), HashMap::new());
        Self { repository, vault, id, signers, wanted, found, policies, checked: 0 }
    }

    /// Looks at commits, the newest first, until each key has a name by a signed policy. One that nobody signed is taken
    /// where there is no other.
    pub fn look_at(&mut self, commits: impl IntoIterator<Item = ObjectId>) {
        let mut commits = commits.into_iter();
        while !self.wanted.is_empty() {
            let Some(commit) = commits.next() else { return };
            self.look_at_one(commit);
        }
    }

    /// The names that were found.
    #[must_use]
    pub fn found(self) -> BTreeMap<Recipient, FormerName> {
        self.found
    }

    fn look_at_one(&mut self, commit: ObjectId) -> Option<()> {
        let files = Files::of(self.repository, commit, self.vault)?;
        let blob = files.blob(POLICY_FILE)?;
        if !self.policies.contains_key(&blob) {
            let text = files.read(POLICY_FILE, policy::MAX_BYTES as u64)?;
            self.policies.insert(blob, self.names_in(&text));
        }
        let names: Vec<_> =
            self.policies[&blob].iter().filter(|(key, _)| self.wanted.contains(*key)).collect();
        if names.is_empty() {
            return None;
        }
        self.checked += 1;
        let is_signed =
            self.checked <= MAX_CHECKED && files.is_policy_signed(self.id, self.signers).is_some();
        for (key, names) in names {
            let grade = if is_signed { Grade::SignedClaim } else { Grade::GitClaim };
            let name = FormerName { names: names.clone(), grade, commit: Some(commit.to_string()) };
            if is_signed {
                self.wanted.remove(key);
                self.found.insert(key.clone(), name);
            } else {
                self.found.entry(key.clone()).or_insert(name);
            }
        }
        Some(())
    }

    /// Most policies name none of the keys, and are not parsed for that.
    fn names_in(&self, text: &[u8]) -> BTreeMap<Recipient, Vec<String>> {
        let is_there = |key: &&Recipient| memmem::find(text, key.as_str().as_bytes()).is_some();
        let keys: BTreeSet<Recipient> = self.wanted.iter().filter(is_there).cloned().collect();
        let policy =
            (!keys.is_empty()).then(|| Policy::parse(std::str::from_utf8(text).ok()?).ok()).flatten();
        policy.map(|policy| in_policy(&policy, &keys)).unwrap_or_default()
    }
}

/// The files right in a vault's folder in one commit.
struct Files<'a> {
    repository: &'a gix::Repository,
    tree: gix::Tree<'a>,
}

impl<'a> Files<'a> {
    fn of(repository: &'a gix::Repository, commit: ObjectId, vault: &Path) -> Option<Self> {
        let mut tree = repository.find_commit(commit).ok()?.tree().ok()?;
        for part in vault.components() {
            let part = PathBuf::from(part.as_os_str());
            let entry = tree.lookup_entry_by_path(part).ok()??;
            tree = entry.mode().is_tree().then(|| repository.find_tree(entry.object_id()).ok()).flatten()?;
        }
        Some(Self { repository, tree })
    }

    fn blob(&self, file: &str) -> Option<ObjectId> {
        let entry = self
            .tree
            .iter()
            .filter_map(Result::ok)
            .find(|entry| entry.filename() == file.as_bytes().as_bstr())?;
        entry.mode().is_blob().then(|| entry.object_id())
    }

    fn read(&self, file: &str, limit: u64) -> Option<Vec<u8>> {
        let blob = self.blob(file)?;
        let is_short = self.repository.find_header(blob).ok()?.size() <= limit;
        Some(self.repository.find_blob(blob).ok().filter(|_| is_short)?.take_data())
    }

    /// Whether the lock of this vault names just this policy, and one of these signed that when they were a signer.
    fn is_policy_signed(&self, id: &VaultId, known: &AllowedSigners) -> Option<()> {
        let lock = self.read(LOCK_FILE, lock::MAX_BYTES)?;
        let signers = String::from_utf8(self.read(SIGNERS_FILE, MAX_SIGNERS)?).ok()?;
        let signers = AllowedSigners::parse(&signers).ok()?;
        let signer = signature::verify(&self.read(SIGNATURE_FILE, MAX_SIGNATURE)?, &lock, &signers).ok()?;
        let is_known = known.iter().any(|known| known.key().key_data() == signer.key().key_data());
        let lock = Lock::parse(std::str::from_utf8(&lock).ok().filter(|_| is_known)?).ok()?;
        let policy = Digest::of(&self.read(POLICY_FILE, policy::MAX_BYTES as u64)?);
        (lock.id == *id && lock.files.get(POLICY_FILE) == Some(&policy)).then_some(())
    }
}
