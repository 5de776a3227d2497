//! Each secret with its findings and its steps; each machine and each reader.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use serde::Serialize;
use vault_format::{
    Recipient,
    audit::{
        Grade, StateFacts,
        readers::ReaderKind,
        state::{AccessFacts, MachineFacts, SecretFacts},
    },
};

use super::{
    anchors::{Anchors, secret_id},
    bundles::opener,
    findings,
    overview::what,
    steps::{in_few_words, moment_of, step_id},
};
use crate::audit::{
    keyring::Keyring,
    report::{Report, VaultReport},
    words,
};

/// A link on the page.
#[derive(Debug, Serialize)]
struct Link {
    id: String,
    text: String,
}

/// Each secret of a state.
pub fn list(
    report: &Report,
    anchors: &Anchors<'_>,
    vault: usize,
    facts: &VaultReport,
    state: &StateFacts,
) -> Vec<Value> {
    let mut steps = steps_by_secret(report, anchors, vault, facts);
    let keyring = Keyring::of(facts);
    let secrets = state.secrets.iter().enumerate();
    let values = secrets.map(|(index, secret)| {
        let found = anchors.findings_of(vault, index).iter();
        context! {
            id => secret_id(vault, index),
            opener => opener(&secret.access),
            shown => secret.facts.as_ref().map(words::facts),
            ends => ends(secret),
            known_to => secret.exposed_to.iter().map(|key| known_to(&keyring, key)).collect::<Vec<_>>(),
            findings => found.map(|found| finding(report, *found)).collect::<Vec<_>>(),
            steps => steps.remove(&index).unwrap_or_default(),
            ..Value::from_serialize(secret)
        }
    });
    values.collect()
}

/// A removed key, with whose it was.
fn known_to(keyring: &Keyring<'_>, key: &Recipient) -> Value {
    let former = keyring.former(key);
    context! {
        name => former.map_or_else(|| words::key(key.as_str()), |former| former.names.join(" and ")),
        is_signed => former.is_none_or(|former| former.grade != Grade::GitClaim),
        key => key.as_str(),
    }
}

fn ends(secret: &SecretFacts) -> Vec<String> {
    let ends = secret.due.iter().map(|due| {
        let over = if due.over { " (over)" } else { "" };
        format!("{} {}{over}", what(due.what), due.at.date_time().date())
    });
    ends.collect()
}

fn finding(report: &Report, index: usize) -> Value {
    let finding = &report.findings[index];
    context! {
        id => format!("f{index}"),
        severity => finding.severity.word(),
        code => finding.code.word(),
        grade => findings::grade(finding.grade),
    }
}

/// What happened to each secret, the newest first.
fn steps_by_secret(
    report: &Report,
    anchors: &Anchors<'_>,
    vault: usize,
    facts: &VaultReport,
) -> BTreeMap<usize, Vec<Link>> {
    let mut steps: BTreeMap<usize, Vec<Link>> = BTreeMap::new();
    for (position, step) in facts.history.iter().enumerate().rev() {
        let date = moment_of(report, step).date_time().date();
        for change in &step.changes {
            let secrets = change.secrets().iter();
            for secret in secrets.filter_map(|name| anchors.secret(vault, name.as_str())) {
                let text = format!("{date} {}", in_few_words(change));
                steps.entry(secret).or_default().push(Link { id: step_id(vault, position), text });
            }
        }
    }
    steps
}

/// Each machine: what it decrypts, and who opens that there.
pub fn machines(vault: usize, state: &StateFacts) -> Vec<Value> {
    let machines = state.machines.iter().enumerate();
    let values = machines.map(|(index, machine)| {
        context! {
            id => format!("v{vault}-m{index}"),
            name => machine.name,
            profile => machine.profile,
            decrypts => machine.decrypts.len(),
            serves => machine.serves.len(),
            openers => by_opener(machine),
        }
    });
    values.collect()
}

/// The paths of a machine's mount, by who may open them.
fn by_opener(machine: &MachineFacts) -> Vec<Value> {
    let mut paths: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for served in &machine.serves {
        let AccessFacts { mode, .. } = &served.access;
        paths.entry((opener(&served.access), mode)).or_default().push(served.path.as_str());
    }
    let groups = paths.into_iter();
    groups.map(|((opener, mode), paths)| context! { opener, mode, count => paths.len(), paths }).collect()
}

/// Everybody who has keys, people first.
pub fn readers(vault: usize, state: &StateFacts) -> Vec<Value> {
    let mut readers: Vec<_> = state.readers.iter().enumerate().collect();
    readers.sort_by_key(|(_, reader)| (reader.kind, &reader.name));
    let values = readers.into_iter().map(|(index, reader)| {
        context! {
            id => format!("v{vault}-r{index}"),
            name => reader.name,
            kind => match reader.kind { ReaderKind::Recovery => "recovery key", kind => kind.word() },
            keys => reader.keys.iter().map(|key| words::key(key.as_str())).collect::<Vec<_>>(),
            members => reader.members,
            decrypts => reader.decrypts,
        }
    });
    values.collect()
}
