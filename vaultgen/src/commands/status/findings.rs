//! What the vault itself says is worth doing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vault_format::{
    Recipient, SecretName, Timestamp, Verified,
    due::{self, Due},
    policy::GroupKind,
    standard,
    verify::Warning,
};

/// Everything worth doing that lock and policy tell.
#[derive(Serialize)]
pub struct Findings {
    /// Standard secrets that a standard vault lacks.
    pub missing: Vec<SecretName>,
    /// Whether it has half of what the standard vault has, at least.
    #[serde(skip)]
    pub is_standard: bool,
    /// What each removed key still knows: to be changed at its source.
    pub exposed: Vec<Exposed>,
    /// Values to change, and secrets and certificates that end.
    pub due: Vec<DueSecret>,
    /// Who can decrypt once all other keys are lost.
    pub recovery: Recovery,
    /// Keys that make every secret slow to open.
    pub costly: Vec<Costly>,
    /// Files that are no part of the vault.
    pub unlisted: Vec<String>,
}

/// A removed key, with the secrets whose present value it could read.
#[derive(Serialize)]
pub struct Exposed {
    pub key: Recipient,
    pub secrets: Vec<SecretName>,
}

/// Something that is due.
#[derive(Serialize)]
pub struct DueSecret {
    pub secret: SecretName,
    /// `rotation`, `expiry` or `certificate`.
    pub what: &'static str,
    pub at: String,
    pub over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// All of it, for people.
    #[serde(skip)]
    pub text: String,
}

/// The recovery groups, and what they cannot open.
#[derive(Serialize)]
pub struct Recovery {
    pub groups: Vec<String>,
    /// Secrets whose audience has no recovery key; empty while there is no recovery key at all.
    pub left_out: Vec<SecretName>,
}

/// A group with an RSA key.
#[derive(Serialize)]
pub struct Costly {
    pub group: String,
    pub key: Recipient,
}

impl Findings {
    /// Gathers them, as things are at the moment `now`.
    pub fn of(vault: &Verified, now: Timestamp) -> miette::Result<Self> {
        let missing = missing(vault)?;
        Ok(Self {
            is_standard: missing.is_some(),
            missing: missing.unwrap_or_default(),
            exposed: exposed(vault),
            due: due::due(vault, now).into_iter().map(|due| DueSecret::of(due, now)).collect(),
            recovery: Recovery::of(vault),
            costly: costly(vault),
            unlisted: unlisted(vault),
        })
    }
}

/// Nothing for a vault that is not the standard one: one with less than half of what that has.
fn missing(vault: &Verified) -> miette::Result<Option<Vec<SecretName>>> {
    let standard = standard::names()?;
    let all = standard.len();
    let lacks = |name: &SecretName| !vault.lock().secrets.contains_key(name);
    let mut missing: Vec<_> = standard.into_iter().filter(lacks).collect();
    if missing.len() * 2 > all {
        return Ok(None);
    }
    let template = standard::odoo_configuration()?;
    if !template.is_in(vault.policy(), vault.lock()) {
        missing.push(template.path);
    }
    Ok(Some(missing))
}

fn exposed(vault: &Verified) -> Vec<Exposed> {
    let mut by_key: BTreeMap<&Recipient, Vec<SecretName>> = BTreeMap::new();
    for (name, secret) in &vault.lock().secrets {
        for key in &secret.exposed_to {
            by_key.entry(key).or_default().push(name.clone());
        }
    }
    by_key.into_iter().map(|(key, secrets)| Exposed { key: key.clone(), secrets }).collect()
}

fn costly(vault: &Verified) -> Vec<Costly> {
    // A group of several has the keys of its members, which are listed themselves.
    let groups = vault.policy().groups().iter().filter(|(_, group)| group.kind != GroupKind::Several);
    let costly = groups.flat_map(|(name, group)| {
        let keys = group.keys.iter().filter(|key| key.is_costly());
        keys.map(|key| Costly { group: name.clone(), key: key.clone() })
    });
    costly.collect()
}

fn unlisted(vault: &Verified) -> Vec<String> {
    let paths = vault.warnings().iter().filter_map(|warning| match warning {
        Warning::Unlisted(path) => Some(path.clone()),
        Warning::Exposed { .. } | Warning::Unopened(_) => None,
    });
    paths.collect()
}

impl DueSecret {
    fn of(due: Due, now: Timestamp) -> Self {
        Self {
            what: due.what.word(),
            text: due.describe(now),
            at: due.at.to_string(),
            over: due.at <= now,
            secret: due.name,
            instructions: due.instructions,
        }
    }
}

impl Recovery {
    fn of(vault: &Verified) -> Self {
        let groups = vault.policy().groups().iter();
        let recovery =
            groups.filter(|(_, group)| group.kind == GroupKind::Recovery && !group.keys.is_empty());
        let (mut groups, mut keys) = (Vec::new(), BTreeSet::new());
        for (name, group) in recovery {
            groups.push(name.clone());
            keys.extend(&group.keys);
        }
        let left_out = vault.lock().secrets.iter().filter(|(_, secret)| {
            !groups.is_empty() && !secret.recipients.iter().any(|recipient| keys.contains(recipient))
        });
        let left_out = left_out.map(|(name, _)| name.clone()).collect();
        Self { groups, left_out }
    }
}
