//! Which id a secret or a finding has on the page. Ids come from positions: a name never becomes one.

use std::collections::BTreeMap;

use vault_format::audit::Finding;

use crate::audit::report::Report;

/// The places that can be linked to.
#[derive(Debug)]
pub struct Anchors<'a> {
    /// Per vault: its path, and its secrets by name.
    vaults: Vec<(&'a str, BTreeMap<&'a str, usize>)>,
    /// Per vault: the findings of each secret, by their position in the report.
    of_secrets: Vec<BTreeMap<usize, Vec<usize>>>,
    /// The vault of each finding.
    of_findings: Vec<Option<usize>>,
}

impl<'a> Anchors<'a> {
    /// Those of a report.
    pub fn of(report: &'a Report) -> Self {
        let vaults = report.vaults.iter().map(|vault| {
            let secrets = vault.state.iter().flat_map(|state| &state.secrets);
            let by_name = secrets.enumerate().map(|(index, secret)| (secret.name.as_str(), index));
            (vault.path.as_str(), by_name.collect())
        });
        let vaults: Vec<_> = vaults.collect();
        let of_secrets = vec![BTreeMap::new(); vaults.len()];
        let mut anchors = Self { vaults, of_secrets, of_findings: Vec::new() };
        for (index, finding) in report.findings.iter().enumerate() {
            let vault = anchors.vault_of(finding);
            anchors.of_findings.push(vault);
            if let Some((vault, secret)) = anchors.secret_of(finding) {
                anchors.of_secrets[vault].entry(secret).or_default().push(index);
            }
        }
        anchors
    }

    /// The vault that a finding is in: the one with the longest path above its place.
    pub fn vault_of(&self, finding: &Finding) -> Option<usize> {
        let above = |path: &str| {
            path.is_empty()
                || finding.place.path == path
                || finding.place.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        let vaults = self.vaults.iter().enumerate().filter(|(_, (path, _))| above(path));
        vaults.max_by_key(|(_, (path, _))| path.len()).map(|(index, _)| index)
    }

    /// The vault and the position of the secret that a finding is about.
    fn secret_of(&self, finding: &Finding) -> Option<(usize, usize)> {
        let vault = self.vault_of(finding)?;
        let name = finding.secret.as_ref()?;
        self.vaults[vault].1.get(name.as_str()).map(|secret| (vault, *secret))
    }

    /// The id of the secret that a finding is about.
    pub fn secret_id(&self, finding: &Finding) -> Option<String> {
        self.secret_of(finding).map(|(vault, secret)| secret_id(vault, secret))
    }

    /// The positions of a secret's findings.
    pub fn findings_of(&self, vault: usize, secret: usize) -> &[usize] {
        self.of_secrets[vault].get(&secret).map_or(&[], Vec::as_slice)
    }

    /// The positions of a vault's findings.
    pub fn findings_in(&self, vault: usize) -> impl Iterator<Item = usize> {
        let all = self.of_findings.iter().enumerate();
        all.filter(move |(_, of)| **of == Some(vault)).map(|(index, _)| index)
    }

    /// The position of a secret.
    pub fn secret(&self, vault: usize, name: &str) -> Option<usize> {
        self.vaults[vault].1.get(name).copied()
    }
}

/// The id of a secret.
pub fn secret_id(vault: usize, secret: usize) -> String {
    format!("v{vault}-s{secret}")
}
