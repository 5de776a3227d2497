//! Whose a key was: a policy names the keys of today only, and the history those that went.

use std::collections::BTreeMap;

use vault_format::{
    Recipient,
    audit::{Change, Code, Finding, change::KeyNames},
};

use super::{
    report::{Report, VaultReport},
    words,
};

/// The names of each key that the history of a vault tells of.
pub struct Keyring<'a>(BTreeMap<&'a Recipient, &'a [String]>);

impl<'a> Keyring<'a> {
    /// That of a vault. What somebody called a key last is what counts.
    #[must_use]
    pub fn of(vault: &'a VaultReport) -> Self {
        let changes = vault.history.iter().flat_map(|step| &step.changes);
        let named = changes.flat_map(readers).filter(|reader| !reader.names.is_empty());
        Self(named.map(|reader| (&reader.key, reader.names.as_slice())).collect())
    }

    /// The names of a key, or its first letters.
    #[must_use]
    pub fn name(&self, key: &Recipient) -> String {
        self.0.get(key).map_or_else(|| words::key(key.as_str()), |names| names.join(" and "))
    }

    /// The names of some keys, each once.
    #[must_use]
    pub fn names<'k>(&self, keys: impl IntoIterator<Item = &'k Recipient>) -> Vec<String> {
        let mut names: Vec<String> = keys.into_iter().map(|key| self.name(key)).collect();
        names.sort();
        names.dedup();
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

fn readers(change: &Change) -> &[KeyNames] {
    match change {
        Change::Added { readers, .. } | Change::Gained { readers, .. } | Change::Lost { readers, .. } => {
            readers
        }
        _ => &[],
    }
}
