//! What a verified vault says is to be served: all that whoever decrypts it needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use vault_format::policy::{Access, Action};
use vault_format::stamp::Stamp;
use vault_format::{Digest, Recipient, SecretName, Verified};

use super::known::Known;
use crate::resolver::Name;
use crate::snapshot::Snapshot;

/// The files of a mount, for every identity that might be given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Secrets under their own names, and views of them.
    pub files: Vec<PlannedFile>,
    /// The public files of the vault.
    pub public: Vec<String>,
    /// Each set of recipients that a file has, once.
    audiences: Vec<BTreeSet<Recipient>>,
}

/// A file to be served to whoever can decrypt it.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Its path in the mount.
    pub path: SecretName,
    /// Owner: a user's name or number.
    pub owner: String,
    /// Group: a group's name or number.
    pub group: String,
    /// Permission bits.
    pub mode: u16,
    /// When its value last changed.
    pub modified: SystemTime,
    /// SHA-256 of its ciphertext.
    pub digest: Digest,
    /// Where in the snapshot its ciphertext is; nothing where it was known and not read again.
    pub ciphertext: Option<Range<u64>>,
    /// The state that its file was in when it was read, if that tells whether it was changed since.
    pub stamp: Option<Stamp>,
    /// What to do when its value changed.
    pub on_change: Vec<Action>,
    /// Who can decrypt it; nothing where only trying tells.
    audience: Option<usize>,
}

impl Plan {
    /// What is in a verified vault. `snapshot` has all of its files but those that were `known`.
    #[must_use]
    pub fn of(vault: &Verified, snapshot: &Snapshot, known: &Known<'_>) -> Self {
        let policy = vault.policy();
        let lock = vault.lock();
        let own = lock.secrets.iter().map(|(name, secret)| (name, name, secret, &policy.secret(name).access));
        let views = policy.views().iter();
        let views = views.map(|(path, view)| (path, &view.of, &lock.secrets[&view.of], &view.access));
        let mut plan = Self { public: vault.lock().files.keys().cloned().collect(), ..Self::default() };
        let mut audiences: BTreeMap<&BTreeSet<Recipient>, usize> = BTreeMap::new();
        for (path, name, secret, access) in own.chain(views) {
            let ciphertext = name.ciphertext_path();
            let (ciphertext, stamp) = (snapshot.span(&ciphertext), snapshot.stamp(&ciphertext));
            let stamp = stamp.or_else(|| known.stamp(name).filter(|_| ciphertext.is_none()));
            let audience = *audiences.entry(&secret.recipients).or_insert_with(|| {
                plan.audiences.push(secret.recipients.clone());
                plan.audiences.len() - 1
            });
            let modified = secret.rotated.system_time();
            let file = PlannedFile::new(path, access, modified, secret.sha256, ciphertext);
            // A view is the same value, and its source has said what to do.
            let on_change = if path == name { policy.secret(name).on_change.clone() } else { Vec::new() };
            plan.files.push(PlannedFile { audience: Some(audience), on_change, stamp, ..file });
        }
        plan
    }

    /// Who can decrypt a file; nothing where only trying tells.
    #[must_use]
    pub fn audience(&self, file: &PlannedFile) -> Option<&BTreeSet<Recipient>> {
        self.audiences.get(file.audience?)
    }

    /// Whether one of `keys` can decrypt a file; nothing where only trying tells.
    #[must_use]
    pub fn is_for(&self, file: &PlannedFile, keys: &BTreeSet<Recipient>) -> Option<bool> {
        Some(!self.audience(file)?.is_disjoint(keys))
    }

    /// The users and groups that it names.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Name> {
        let pairs = self.files.chunk_by(|a, b| (&a.owner, &a.group) == (&b.owner, &b.group));
        let pairs: BTreeSet<_> = pairs.map(|same| (same[0].owner.as_str(), same[0].group.as_str())).collect();
        pairs.into_iter().flat_map(|(owner, group)| Name::of(owner, group)).collect()
    }
}

impl PlannedFile {
    /// A file of which only trying tells who can decrypt it.
    #[must_use]
    pub fn new(
        path: &SecretName,
        access: &Access,
        modified: SystemTime,
        digest: Digest,
        ciphertext: Option<Range<u64>>,
    ) -> Self {
        Self {
            path: path.clone(),
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: access.mode.bits(),
            modified,
            digest,
            ciphertext,
            stamp: None,
            on_change: Vec::new(),
            audience: None,
        }
    }
}
