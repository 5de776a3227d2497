//! What came between two states of a vault.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Grade,
    readers::{ReaderKind, Readers},
    rename::{self, Rename},
    state::{AccessFacts, Claims, SignerFacts},
};
use crate::{
    Policy, Recipient, SecretName,
    lock::LockedSecret,
    policy::{Access, Mode},
};

/// Something that is otherwise in the later state. Secrets of which the same is true stand together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// These came in.
    Added {
        /// The new names.
        secrets: Vec<SecretName>,
        /// Who can decrypt them.
        readers: Vec<KeyNames>,
    },
    /// These were taken out.
    Removed {
        /// The old names.
        secrets: Vec<SecretName>,
    },
    /// This has another name.
    Renamed {
        /// The old one.
        from: SecretName,
        /// The new one.
        to: SecretName,
        /// Proved by the same bytes, or claimed by the same public facts.
        grade: Grade,
    },
    /// These have another value.
    Rotated {
        /// Their names.
        secrets: Vec<SecretName>,
    },
    /// These were encrypted anew: the same value for the same keys.
    Reencrypted {
        /// Their names.
        secrets: Vec<SecretName>,
    },
    /// More keys can decrypt these.
    Gained {
        /// Their names.
        secrets: Vec<SecretName>,
        /// The keys that came.
        readers: Vec<KeyNames>,
    },
    /// Fewer keys can decrypt these, as of then: whoever has an older state decrypts that.
    Lost {
        /// Their names.
        secrets: Vec<SecretName>,
        /// The keys that went.
        readers: Vec<KeyNames>,
    },
    /// Others may open a path where it is served.
    Access {
        /// The path below the mount point.
        path: SecretName,
        /// Who could.
        before: AccessFacts,
        /// Who can.
        after: AccessFacts,
        /// Whether anybody may open it now that could not.
        direction: Direction,
    },
    /// A second path of a secret came in.
    ViewAdded {
        /// The path.
        path: SecretName,
        /// What it shows.
        of: SecretName,
        /// Who may open it.
        access: AccessFacts,
    },
    /// A second path of a secret went.
    ViewRemoved {
        /// The path.
        path: SecretName,
    },
    /// A template came in.
    TemplateAdded {
        /// The path.
        path: SecretName,
    },
    /// A template went.
    TemplateRemoved {
        /// The path.
        path: SecretName,
    },
    /// A person, a group or a machine came in.
    ReaderAdded {
        /// The name.
        name: String,
        /// What it is.
        kind: ReaderKind,
    },
    /// A person, a group or a machine went.
    ReaderRemoved {
        /// The name.
        name: String,
        /// What it was.
        kind: ReaderKind,
    },
    /// A person, a group or a machine has other keys.
    ReaderKeys {
        /// The name.
        name: String,
        /// What it is.
        kind: ReaderKind,
        /// Keys that came.
        added: Vec<Recipient>,
        /// Keys that went.
        removed: Vec<Recipient>,
    },
    /// Somebody may sign the next state who could not.
    SignerAdded {
        /// Who.
        signer: SignerFacts,
    },
    /// Somebody may sign no more.
    SignerRemoved {
        /// Who.
        signer: SignerFacts,
    },
    /// A public file, such as the text of a template, is another one.
    FileChanged {
        /// Its path in the vault.
        path: String,
    },
    /// It is another vault.
    AnotherVault {
        /// The id before.
        before: String,
        /// The id after.
        after: String,
    },
}

/// A key, and whom it stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct KeyNames {
    /// The public key.
    pub key: Recipient,
    /// The people and machines that have it.
    pub names: Vec<String>,
}

/// Which way an access changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Somebody may open it who could not.
    Widened,
    /// Nobody may who could not.
    Narrowed,
}

impl Change {
    /// Whether somebody can decrypt or open something, or sign, who could not before.
    #[must_use]
    pub fn grows(&self) -> bool {
        matches!(
            self,
            Self::Gained { .. }
                | Self::ViewAdded { .. }
                | Self::SignerAdded { .. }
                | Self::Access { direction: Direction::Widened, .. }
                | Self::AnotherVault { .. }
        )
    }

    /// Whether somebody can decrypt or open something, or sign, no more.
    #[must_use]
    pub fn shrinks(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::ViewRemoved { .. }
                | Self::SignerRemoved { .. }
                | Self::Access { direction: Direction::Narrowed, .. }
        )
    }

    /// The secrets that it is about.
    #[must_use]
    pub fn secrets(&self) -> &[SecretName] {
        match self {
            Self::Added { secrets, .. }
            | Self::Removed { secrets }
            | Self::Rotated { secrets }
            | Self::Reencrypted { secrets }
            | Self::Gained { secrets, .. }
            | Self::Lost { secrets, .. } => secrets,
            Self::Renamed { to, .. } => std::slice::from_ref(to),
            Self::Access { path, .. } => std::slice::from_ref(path),
            Self::ViewAdded { of, .. } => std::slice::from_ref(of),
            _ => &[],
        }
    }
}

/// What came between two states; the earlier one is nothing where the vault begins.
#[must_use]
pub fn changes(before: Option<Claims<'_>>, after: Claims<'_>) -> Vec<Change> {
    let Some(before) = before else { return beginning(after) };
    let mut changes = Vec::new();
    if before.lock.id != after.lock.id {
        changes.push(Change::AnotherVault {
            before: before.lock.id.to_string(),
            after: after.lock.id.to_string(),
        });
    }
    changes.extend(of_secrets(before, after));
    // Most changes leave the policy alone, and then both have the same one.
    if !std::ptr::eq(before.policy, after.policy) {
        changes.extend(of_access(before, after));
        changes.extend(of_paths(before.policy, after.policy));
        changes.extend(of_readers(before.policy, after.policy));
    }
    changes.extend(of_signers(before, after));
    let other = after.lock.files.iter().filter(|(path, digest)| {
        path.starts_with("templates/") && before.lock.files.get(*path).is_some_and(|known| known != *digest)
    });
    changes.extend(other.map(|(path, _)| Change::FileChanged { path: path.clone() }));
    changes
}

fn beginning(after: Claims<'_>) -> Vec<Change> {
    let readers = Readers::of(after.policy);
    let mut groups = Grouped::default();
    for (name, secret) in &after.lock.secrets {
        groups.put(&secret.recipients, name);
    }
    let added = groups.each(&readers, |secrets, readers| Change::Added { secrets, readers });
    let signers = after.signers.iter().filter(|signer| !signer.ended());
    added
        .into_iter()
        .chain(signers.map(|signer| Change::SignerAdded { signer: SignerFacts::of(signer) }))
        .collect()
}

/// Secrets by the set of keys of which the same is true.
#[derive(Default)]
struct Grouped(BTreeMap<BTreeSet<Recipient>, Vec<SecretName>>);

impl Grouped {
    fn put(&mut self, keys: &BTreeSet<Recipient>, secret: &SecretName) {
        match self.0.get_mut(keys) {
            Some(secrets) => secrets.push(secret.clone()),
            None => {
                self.0.insert(keys.clone(), vec![secret.clone()]);
            }
        }
    }

    fn each(
        self,
        readers: &Readers<'_>,
        change: impl Fn(Vec<SecretName>, Vec<KeyNames>) -> Change,
    ) -> Vec<Change> {
        let named = |key: Recipient| {
            let names = readers.names_of(&key).map(str::to_owned).collect();
            KeyNames { key, names }
        };
        let groups = self.0.into_iter();
        groups.map(|(keys, secrets)| change(secrets, keys.into_iter().map(named).collect())).collect()
    }
}

/// The secrets of two states, but for those that are the same in both.
#[derive(Default)]
struct Differences<'a> {
    /// Name, before, after.
    changed: Vec<(&'a SecretName, &'a LockedSecret, &'a LockedSecret)>,
    came: Vec<(&'a SecretName, &'a LockedSecret)>,
    went: Vec<(&'a SecretName, &'a LockedSecret)>,
}

impl<'a> Differences<'a> {
    /// Goes through both at once, as they are sorted.
    fn between(
        old: &'a BTreeMap<SecretName, LockedSecret>,
        new: &'a BTreeMap<SecretName, LockedSecret>,
    ) -> Self {
        let mut differences = Self::default();
        let mut before = old.iter().peekable();
        for (name, secret) in new {
            while let Some(gone) = before.next_if(|(other, _)| *other < name) {
                differences.went.push(gone);
            }
            match before.next_if(|(other, _)| *other == name) {
                None => differences.came.push((name, secret)),
                Some((_, known)) if known == secret => {}
                Some((_, known)) => differences.changed.push((name, known, secret)),
            }
        }
        differences.went.extend(before);
        differences
    }

    /// Takes out what went under one name and came under another.
    fn take_renames(&mut self) -> Vec<Rename<'a>> {
        let went = &mut self.went;
        let mut renames = Vec::new();
        self.came.retain(|(to, new)| {
            let Some(at) = went.iter().position(|(_, old)| old.sha256 == new.sha256) else { return true };
            let (from, old) = went.remove(at);
            renames.push(Rename { from, to, old, new, grade: Grade::Proved });
            false
        });
        renames.extend(rename::take_moved_keys(&mut self.went, &mut self.came));
        renames
    }
}

fn of_secrets(before: Claims<'_>, after: Claims<'_>) -> Vec<Change> {
    let mut differences = Differences::between(&before.lock.secrets, &after.lock.secrets);
    let renames = differences.take_renames();
    // Of a state that nobody signed, anybody may have written it.
    let weakest = before.grade.max(after.grade);
    let is_signed = weakest != Grade::GitClaim;
    let renamed = |rename: &Rename<'_>| Change::Renamed {
        from: rename.from.clone(),
        to: rename.to.clone(),
        grade: if is_signed { rename.grade } else { weakest },
    };
    let mut changes: Vec<Change> = renames.iter().map(renamed).collect();
    let (mut added, mut gained, mut lost) = (Grouped::default(), Grouped::default(), Grouped::default());
    let (mut rotated, mut reencrypted) = (Vec::new(), Vec::new());
    for (name, secret) in differences.came {
        added.put(&secret.recipients, name);
    }
    let renamed = renames.iter().map(|rename| (rename.to, rename.old, rename.new, true));
    let changed = differences.changed.into_iter().map(|(name, old, new)| (name, old, new, false));
    for (name, known, secret, is_renamed) in changed.chain(renamed) {
        let came: BTreeSet<_> = secret.recipients.difference(&known.recipients).cloned().collect();
        let went: BTreeSet<_> = known.recipients.difference(&secret.recipients).cloned().collect();
        // With a new name comes a new date, and the value is the same all the same.
        let has_new_value = known.rotated != secret.rotated && !is_renamed;
        if has_new_value {
            rotated.push(name.clone());
        } else if came.is_empty() && went.is_empty() && known.sha256 != secret.sha256 && !is_renamed {
            reencrypted.push(name.clone());
        }
        if !came.is_empty() {
            gained.put(&came, name);
        }
        if !went.is_empty() {
            lost.put(&went, name);
        }
    }
    let removed: Vec<SecretName> = differences.went.into_iter().map(|(name, _)| name.clone()).collect();

    let (then, now) = (Readers::of(before.policy), Readers::of(after.policy));
    changes.extend(added.each(&now, |secrets, readers| Change::Added { secrets, readers }));
    changes.extend((!removed.is_empty()).then_some(Change::Removed { secrets: removed }));
    changes.extend((!rotated.is_empty()).then_some(Change::Rotated { secrets: rotated }));
    changes.extend((!reencrypted.is_empty()).then_some(Change::Reencrypted { secrets: reencrypted }));
    changes.extend(gained.each(&now, |secrets, readers| Change::Gained { secrets, readers }));
    changes.extend(lost.each(&then, |secrets, readers| Change::Lost { secrets, readers }));
    changes
}

/// Who may open what is in both states.
fn of_access(before: Claims<'_>, after: Claims<'_>) -> Vec<Change> {
    let (old, new) = (before.policy, after.policy);
    let secrets = after.lock.secrets.keys().filter(|name| before.lock.secrets.contains_key(*name));
    let secrets =
        secrets.filter_map(|name| access_change(name, &old.secret(name).access, &new.secret(name).access));
    let views = new.views().iter().filter_map(|(path, view)| {
        let known = old.views().get(path)?;
        access_change(path, &known.access, &view.access)
    });
    secrets.chain(views).collect()
}

fn access_change(path: &SecretName, before: &Access, after: &Access) -> Option<Change> {
    if before == after {
        return None;
    }
    let direction = if is_wider(before, after) { Direction::Widened } else { Direction::Narrowed };
    Some(Change::Access { path: path.clone(), before: before.into(), after: after.into(), direction })
}

/// Whether somebody may open a file who could not before.
fn is_wider(before: &Access, after: &Access) -> bool {
    let grants = |mode: Mode, bits: u16| mode.bits() & bits != 0;
    let owner = before.owner != after.owner && !grants(before.mode, 0o004);
    let group = grants(after.mode, 0o040)
        && (!grants(before.mode, 0o040) || before.group != after.group)
        && !grants(before.mode, 0o004);
    let world = grants(after.mode, 0o004) && !grants(before.mode, 0o004);
    let services = match (before.services.is_empty(), after.services.is_empty()) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => !after.services.is_subset(&before.services),
    };
    owner || group || world || services
}

fn of_paths(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    for (path, view) in new.views() {
        if old.views().get(path).is_none_or(|known| known.of != view.of) {
            changes.push(Change::ViewAdded {
                path: path.clone(),
                of: view.of.clone(),
                access: (&view.access).into(),
            });
        }
    }
    let gone = old.views().keys().filter(|path| !new.views().contains_key(*path));
    changes.extend(gone.map(|path| Change::ViewRemoved { path: path.clone() }));
    let came = new.templates().keys().filter(|path| !old.templates().contains_key(*path));
    changes.extend(came.map(|path| Change::TemplateAdded { path: path.clone() }));
    let gone = old.templates().keys().filter(|path| !new.templates().contains_key(*path));
    changes.extend(gone.map(|path| Change::TemplateRemoved { path: path.clone() }));
    changes
}

fn of_readers(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, group) in new.groups() {
        let kind = ReaderKind::of(group);
        let Some(known) = old.groups().get(name) else {
            changes.push(Change::ReaderAdded { name: name.clone(), kind });
            continue;
        };
        let added: Vec<Recipient> = group.keys.difference(&known.keys).cloned().collect();
        let removed: Vec<Recipient> = known.keys.difference(&group.keys).cloned().collect();
        if !(added.is_empty() && removed.is_empty()) {
            changes.push(Change::ReaderKeys { name: name.clone(), kind, added, removed });
        }
    }
    for (name, group) in old.groups().iter().filter(|(name, _)| !new.groups().contains_key(*name)) {
        changes.push(Change::ReaderRemoved { name: name.clone(), kind: ReaderKind::of(group) });
    }
    changes
}

fn of_signers(before: Claims<'_>, after: Claims<'_>) -> Vec<Change> {
    let may_sign = |claims: Claims<'_>| -> BTreeMap<String, SignerFacts> {
        let signers = claims.signers.iter().filter(|signer| !signer.ended()).map(SignerFacts::of);
        signers.map(|facts| (facts.fingerprint.clone(), facts)).collect()
    };
    let (old, new) = (may_sign(before), may_sign(after));
    let came = new.iter().filter(|(key, _)| !old.contains_key(*key));
    let went = old.iter().filter(|(key, _)| !new.contains_key(*key));
    let came = came.map(|(_, signer)| Change::SignerAdded { signer: signer.clone() });
    came.chain(went.map(|(_, signer)| Change::SignerRemoved { signer: signer.clone() })).collect()
}
