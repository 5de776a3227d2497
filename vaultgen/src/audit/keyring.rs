//! Whose a removed key was: a policy names the keys of today only, and older ones those that went.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use vault_format::{
    Recipient,
    audit::{Claims, Code, Finding},
    signers::AllowedSigners,
};

use super::{
    report::{RemovedKey, Report, VaultReport},
    repository::Repository,
    words,
};
use crate::former::{self, FormerName};

/// The names of the keys that know a value of a state and are in its audience no more: by its own policy, else by the
/// newest one before it that has a name for them. `tip` is the last commit that is looked at.
#[must_use]
pub fn removed_keys(
    repository: &Repository,
    tip: Option<ObjectId>,
    folder: &str,
    claims: Claims<'_>,
    trusted: Option<&AllowedSigners>,
) -> Vec<RemovedKey> {
    let exposed = claims.lock.secrets.values().flat_map(|secret| &secret.exposed_to);
    let mut wanted: BTreeSet<Recipient> = exposed.cloned().collect();
    let grade = claims.grade;
    let named = former::in_policy(claims.policy, &wanted).into_iter();
    let mut found: BTreeMap<Recipient, FormerName> =
        named.map(|(key, names)| (key, FormerName { names, grade, commit: None })).collect();
    wanted.retain(|key| !found.contains_key(key));
    let signers = trusted.into_iter().flat_map(AllowedSigners::iter);
    let signers = signers.fold(claims.signers.clone(), |all, signer| all.with(signer.clone()));
    if let Some(tip) = tip {
        found.extend(repository.former_names(tip, folder, &claims.lock.id, &signers, wanted));
    }
    // A key that is named by way of what nobody signed is known as little as that.
    let weakest = |former: FormerName| FormerName { grade: former.grade.max(grade), ..former };
    found.into_iter().map(|(key, former)| RemovedKey { key, former: weakest(former) }).collect()
}

/// The names of the removed keys of a vault.
pub struct Keyring<'a>(BTreeMap<&'a Recipient, &'a FormerName>);

impl<'a> Keyring<'a> {
    /// That of a vault.
    #[must_use]
    pub fn of(vault: &'a VaultReport) -> Self {
        Self(vault.removed_keys.iter().map(|removed| (&removed.key, &removed.former)).collect())
    }

    /// Whose a key was, as far as that is known.
    #[must_use]
    pub fn former(&self, key: &Recipient) -> Option<&'a FormerName> {
        self.0.get(key).copied()
    }

    /// The name of a key with its first letters, or those alone.
    #[must_use]
    pub fn name(&self, key: &Recipient) -> String {
        self.former(key).map_or_else(|| words::key(key.as_str()), |former| words::former(key, former))
    }

    /// Some keys by their names.
    #[must_use]
    pub fn names<'k>(&self, keys: impl IntoIterator<Item = &'k Recipient>) -> Vec<String> {
        let mut names: Vec<String> = keys.into_iter().map(|key| self.name(key)).collect();
        names.sort();
        names
    }
}

/// The keyrings of all vaults of a report.
pub struct Keyrings<'a>(Vec<(&'a VaultReport, Keyring<'a>)>);

impl<'a> Keyrings<'a> {
    /// Those of a report.
    #[must_use]
    pub fn of(report: &'a Report) -> Self {
        Self(report.vaults.iter().map(|vault| (vault, Keyring::of(vault))).collect())
    }

    /// Whose the removed keys were that know the value which a finding is about.
    #[must_use]
    pub fn known_to(&self, finding: &Finding) -> Option<Vec<String>> {
        let name = finding.secret.as_ref().filter(|_| finding.code == Code::Exposed)?;
        let is_in = |path: &str| {
            let rest = finding.place.path.strip_prefix(path);
            rest.is_some_and(|rest| path.is_empty() || rest.starts_with('/'))
        };
        let above = self.0.iter().filter(|(vault, _)| is_in(&vault.path));
        let (vault, keyring) = above.max_by_key(|(vault, _)| vault.path.len())?;
        let secret = vault.state.as_ref()?.secrets.iter().find(|secret| secret.name == *name)?;
        Some(keyring.names(&secret.exposed_to))
    }
}
