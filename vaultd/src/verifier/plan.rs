//! What a verified vault says is to be served: all that whoever decrypts it needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use vault_format::policy::{Access, Action};
use vault_format::{Digest, Recipient, SecretName, Verified};

use crate::snapshot::Snapshot;

/// The files of a mount, for every identity that might be given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Secrets under their own names, and views of them.
    pub files: Vec<PlannedFile>,
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
    /// When its value last changed; not before 1970, where no clock of ours begins.
    pub modified: SystemTime,
    /// SHA-256 of its ciphertext.
    pub digest: Digest,
    /// Where in the snapshot its ciphertext is.
    pub ciphertext: Range<u64>,
    /// What to do when its value changed.
    pub on_change: Vec<Action>,
    /// Who can decrypt it; nothing where only trying tells.
    audience: Option<usize>,
}

impl Plan {
    /// What is in a verified vault that `snapshot` has all files of.
    #[must_use]
    pub fn of(vault: &Verified, snapshot: &Snapshot) -> Self {
        let policy = vault.policy();
        let own = vault.lock().secrets.keys().map(|name| (name, name, &policy.secret(name).access));
        let views = policy.views().iter().map(|(path, view)| (path, &view.of, &view.access));
        let mut plan = Self::default();
        let mut known: BTreeMap<&BTreeSet<Recipient>, usize> = BTreeMap::new();
        for (path, name, access) in own.chain(views) {
            let secret = &vault.lock().secrets[name];
            let Some(ciphertext) = snapshot.span(&name.ciphertext_path()) else { continue };
            let audience = *known.entry(&secret.recipients).or_insert_with(|| {
                plan.audiences.push(secret.recipients.clone());
                plan.audiences.len() - 1
            });
            let modified = secret.rotated.system_time();
            let file = PlannedFile::new(path, access, modified, secret.sha256, ciphertext);
            // A view is the same value, and its source has said what to do.
            let on_change = if path == name { policy.secret(name).on_change.clone() } else { Vec::new() };
            plan.files.push(PlannedFile { audience: Some(audience), on_change, ..file });
        }
        plan
    }

    /// Whether one of `keys` can decrypt a file; nothing where only trying tells.
    #[must_use]
    pub fn is_for(&self, file: &PlannedFile, keys: &BTreeSet<Recipient>) -> Option<bool> {
        let audience = self.audiences.get(file.audience?)?;
        Some(!audience.is_disjoint(keys))
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
        ciphertext: Range<u64>,
    ) -> Self {
        Self {
            path: path.clone(),
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: access.mode.bits(),
            modified: modified.max(SystemTime::UNIX_EPOCH),
            digest,
            ciphertext,
            on_change: Vec::new(),
            audience: None,
        }
    }
}
