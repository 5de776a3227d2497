//! What a verified vault says is to be served: all that whoever decrypts it needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vault_format::policy::{Access, Action, TemplatePolicy};
use vault_format::stamp::Stamp;
use vault_format::template::Template;
use vault_format::{Digest, Recipient, SecretName, Verified};

use super::known::Known;
use crate::resolver::Name;
use crate::snapshot::Snapshot;

/// The files of a mount, for every identity that might be given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Secrets under their own names, views of them, and templates.
    pub files: Vec<PlannedFile>,
    /// The public files of the vault.
    pub public: Vec<String>,
    /// Each set of recipients that a file has, once.
    audiences: Vec<BTreeSet<Recipient>>,
    /// Each set of units that a file is only for, once.
    rules: Vec<BTreeSet<String>>,
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
    /// What tells its bytes from others: SHA-256 of what they are made of.
    pub digest: Digest,
    /// What they are made of.
    pub origin: Origin,
    /// The state that its file was in when it was read, if that tells whether it was changed since.
    pub stamp: Option<Stamp>,
    /// What to do when its value changed.
    pub on_change: Vec<Action>,
    /// Who can decrypt it; nothing where only trying tells.
    audience: Option<usize>,
    /// Which units it is only for, if it is.
    pub rule: Option<usize>,
}

/// What the bytes of a file are made of.
#[derive(Debug, Serialize, Deserialize)]
pub enum Origin {
    /// One ciphertext, which lies here in the snapshot; nowhere if it was known and not read again.
    Ciphertext(Option<Range<u64>>),
    /// A text with values in it.
    Template {
        /// The text.
        template: Template,
        /// Where in the snapshot the ciphertext of each value lies, as above.
        values: BTreeMap<SecretName, Option<Range<u64>>>,
    },
}

impl Plan {
    /// What is in a verified vault. `snapshot` has all of its files but those that were `known`.
    #[must_use]
    pub fn of(vault: &Verified, snapshot: &Snapshot, known: &Known<'_>) -> Self {
        let policy = vault.policy();
        let lock = vault.lock();
        let own = lock.secrets.iter().map(|(name, secret)| (name, name, secret, policy.secret(name)));
        // A view is the same value, and its source has said what to do.
        let own = own.map(|(path, name, secret, policy)| {
            (path, name, secret, &policy.access, policy.on_change.as_slice())
        });
        let views = policy.views().iter();
        let views =
            views.map(|(path, view)| (path, &view.of, &lock.secrets[&view.of], &view.access, [].as_slice()));
        let mut plan = Self { public: lock.files.keys().cloned().collect(), ..Self::default() };
        let secrets: Vec<_> = own.chain(views).collect();
        let files = secrets.par_iter().map(|&(path, name, secret, access, on_change)| {
            let ciphertext = name.ciphertext_path();
            let (ciphertext, stamp) = (snapshot.span(&ciphertext), snapshot.stamp(&ciphertext));
            let stamp = stamp.or_else(|| known.stamp(name).filter(|_| ciphertext.is_none()));
            let modified = secret.rotated.system_time();
            let file =
                PlannedFile::new(path, access, modified, secret.sha256, Origin::Ciphertext(ciphertext));
            PlannedFile { stamp, on_change: on_change.to_vec(), ..file }
        });
        plan.files = files.collect();
        let mut audiences = Audiences::default();
        let mut rules = Rules::default();
        for (file, (_, _, secret, access, _)) in plan.files.iter_mut().zip(&secrets) {
            file.audience = Some(audiences.place(&secret.recipients));
            file.rule = rules.place(&access.services);
        }
        for (path, template) in vault.templates() {
            let own = &policy.templates()[path];
            let (file, services) = rendered(vault, snapshot, path, own, template);
            let (audience, rule) = (Some(audiences.place(&own.audience)), rules.place(&services));
            plan.files.push(PlannedFile { audience, rule, ..file });
        }
        plan.audiences = audiences.all.into_iter().cloned().collect();
        plan.rules = rules.all;
        plan
    }

    /// Each set of units that a file is only for, as [`PlannedFile::rule`] counts them.
    pub fn rules(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        self.rules.iter()
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
        PlannedFile::names(&self.files)
    }
}

/// Each set of recipients once.
#[derive(Default)]
struct Audiences<'a> {
    all: Vec<&'a BTreeSet<Recipient>>,
    places: BTreeMap<&'a BTreeSet<Recipient>, usize>,
}

impl<'a> Audiences<'a> {
    fn place(&mut self, audience: &'a BTreeSet<Recipient>) -> usize {
        *self.places.entry(audience).or_insert_with(|| {
            self.all.push(audience);
            self.all.len() - 1
        })
    }
}

/// Each set of units once.
#[derive(Default)]
struct Rules {
    all: Vec<BTreeSet<String>>,
    places: BTreeMap<BTreeSet<String>, usize>,
}

impl Rules {
    /// Nothing for no unit at all, which lets all processes in.
    fn place(&mut self, services: &BTreeSet<String>) -> Option<usize> {
        if services.is_empty() {
            return None;
        }
        let known = self.places.get(services).copied();
        Some(known.unwrap_or_else(|| {
            self.all.push(services.clone());
            self.places.insert(services.clone(), self.all.len() - 1);
            self.all.len() - 1
        }))
    }
}

/// A template as a file, with the units that may open it. Its bytes are others as soon as its text is, or the ciphertext of one of its values.
fn rendered(
    vault: &Verified,
    snapshot: &Snapshot,
    path: &SecretName,
    rule: &TemplatePolicy,
    template: &Template,
) -> (PlannedFile, Arc<BTreeSet<String>>) {
    let shown = template.secrets();
    let values = shown.iter().map(|&name| (name.clone(), snapshot.span(&name.ciphertext_path()))).collect();
    let secrets = || shown.iter().map(|&name| &vault.lock().secrets[name]);
    let modified = secrets().map(|secret| secret.rotated.system_time()).max();
    let digests: Vec<String> = secrets().map(|secret| secret.sha256.to_string()).collect();
    // No ciphertext begins like this, so no secret has this digest.
    let digest = Digest::of(format!("template of {}\n{template}", digests.join(" ")).as_bytes());
    let access = Access {
        owner: rule.owner.clone(),
        group: rule.group.clone(),
        mode: rule.mode,
        services: Arc::new(vault.policy().template_services(rule, &shown).unwrap_or_default()),
    };
    let origin = Origin::Template { template: template.clone(), values };
    let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
    (PlannedFile::new(path, &access, modified, digest, origin), access.services)
}

impl PlannedFile {
    /// The users and groups that files are to belong to.
    #[must_use]
    pub fn names<'a>(files: impl IntoIterator<Item = &'a Self>) -> BTreeSet<Name> {
        let pairs = files.into_iter().map(|file| (file.owner.as_str(), file.group.as_str()));
        let pairs: BTreeSet<_> = pairs.collect();
        pairs.into_iter().flat_map(|(owner, group)| Name::of(owner, group)).collect()
    }

    /// A file of which only trying tells who can decrypt it.
    #[must_use]
    pub fn new(
        path: &SecretName,
        access: &Access,
        modified: SystemTime,
        digest: Digest,
        origin: Origin,
    ) -> Self {
        Self {
            path: path.clone(),
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: access.mode.bits(),
            modified: modified.max(SystemTime::UNIX_EPOCH),
            digest,
            origin,
            stamp: None,
            on_change: Vec::new(),
            audience: None,
            rule: None,
        }
    }
}
