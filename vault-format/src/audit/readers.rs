//! Which people and machines a public key stands for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Policy, Recipient,
    policy::{Group, GroupKind},
};

/// What kind of reader a name of the policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderKind {
    /// One person.
    Person,
    /// A key that is kept offline.
    Recovery,
    /// A machine.
    Machine,
    /// A name for several others.
    Group,
}

impl ReaderKind {
    /// As the formats for programs have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Recovery => "recovery",
            Self::Machine => "machine",
            Self::Group => "group",
        }
    }

    /// The kind of a group of the policy. One that only lists others is a group, but one that holds keys
    /// itself is whom they belong to.
    #[must_use]
    pub fn of(group: &Group) -> Self {
        match group.kind {
            GroupKind::Person => Self::Person,
            GroupKind::Recovery => Self::Recovery,
            GroupKind::Machine(_) => Self::Machine,
            GroupKind::Several => Self::Group,
        }
    }
}

/// The people and machines of a policy, by their keys.
#[derive(Debug)]
pub struct Readers<'a> {
    by_key: BTreeMap<&'a Recipient, BTreeSet<&'a str>>,
}

impl<'a> Readers<'a> {
    /// Those of a policy. A key that only groups of several name, as `[recipients]` allows, is known by them.
    #[must_use]
    pub fn of(policy: &'a Policy) -> Self {
        let mut by_key: BTreeMap<&Recipient, BTreeSet<&str>> = BTreeMap::new();
        let (several, single): (Vec<_>, Vec<_>) =
            policy.groups().iter().partition(|(_, group)| group.kind == GroupKind::Several);
        for (name, group) in single {
            for key in &group.keys {
                by_key.entry(key).or_default().insert(name);
            }
        }
        let mut only_in_groups: BTreeMap<&Recipient, BTreeSet<&str>> = BTreeMap::new();
        for (name, group) in several {
            for key in group.keys.iter().filter(|key| !by_key.contains_key(key)) {
                only_in_groups.entry(key).or_default().insert(name);
            }
        }
        by_key.append(&mut only_in_groups);
        Self { by_key }
    }

    /// Who has this key, by the policy.
    pub fn names_of(&self, key: &Recipient) -> impl Iterator<Item = &'a str> {
        self.by_key.get(key).into_iter().flatten().copied()
    }

    /// Whom these keys stand for, and the keys that stand for nobody.
    #[must_use]
    pub fn resolve(&self, keys: &BTreeSet<Recipient>) -> (BTreeSet<String>, BTreeSet<Recipient>) {
        let (mut names, mut unnamed) = (BTreeSet::new(), BTreeSet::new());
        for key in keys {
            match self.by_key.get(key) {
                Some(known) => names.extend(known.iter().map(|name| (*name).to_owned())),
                None => {
                    unnamed.insert(key.clone());
                }
            }
        }
        (names, unnamed)
    }
}
