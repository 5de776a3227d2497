//! A vault at a glance.

use minijinja::{Value, context};
use vault_format::{
    Timestamp,
    audit::{StateFacts, readers::ReaderKind},
    due::What,
};

use super::{
    anchors::{Anchors, secret_id},
    findings,
    steps::moment_of,
};
use crate::audit::report::{Report, Step, VaultReport, Verdict};

/// How far ahead "due" looks.
const DUE_WITHIN_DAYS: i64 = 90;

/// What an auditor wants to know first.
pub fn of(report: &Report, anchors: &Anchors<'_>, index: usize, vault: &VaultReport) -> Value {
    let state = vault.state.as_ref();
    let count = |kind: ReaderKind| {
        state.map_or(0, |state| state.readers.iter().filter(|reader| reader.kind == kind).count())
    };
    // The history may go on after the state that was asked about.
    let lock = state.map(|state| state.lock_sha256);
    let is_it = |step: &&Step| lock.is_none() || step.lock_sha256 == lock;
    let last = vault.history.iter().rev().find(is_it);
    context! {
        verdict => vault.verdict.word(),
        meaning => meaning(vault.verdict),
        signer => vault.signer.as_ref().map(Value::from_serialize),
        serial => state.map(|state| state.serial),
        grade => state.map(|state| findings::grade(state.grade)),
        grade_word => state.map(|state| state.grade.word()),
        vault_id => state.map(|state| state.id.as_str()),
        lock => state.map(|state| state.lock_sha256.to_string()),
        commit => last.and_then(|step| step.commit.as_ref()).map(Value::from_serialize),
        last => last.map(|step| moment_of(report, step).to_string()),
        secrets => state.map_or(0, |state| state.secrets.len()),
        people => count(ReaderKind::Person),
        recovery => count(ReaderKind::Recovery),
        machines => count(ReaderKind::Machine),
        counts => findings::counts(anchors.findings_in(index).map(|index| &report.findings[index])),
        due => state.map_or_else(Vec::new, |state| due(report.made, index, state)),
    }
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Sound => "Signed by a signer, and just as it was signed.",
        Verdict::Unsound => {
            "Something is not as it was signed, or nobody signed it whom you trust. What follows is a claim only."
        }
        Verdict::Legacy => "In the layout of Odoo Box, which nobody signs. What follows is a claim only.",
        Verdict::Gone => "The vault is not there any more.",
    }
}

/// What is over, or ends soon, the nearest first.
fn due(now: Timestamp, vault: usize, state: &StateFacts) -> Vec<Value> {
    let end = now.date_time() + time::Duration::days(DUE_WITHIN_DAYS);
    let mut due: Vec<(Timestamp, Value)> = Vec::new();
    for (index, secret) in state.secrets.iter().enumerate() {
        for fact in secret.due.iter().filter(|fact| fact.at.date_time() <= end) {
            let value = context! {
                name => secret.name.as_str(),
                link => secret_id(vault, index),
                what => what(fact.what),
                at => fact.at.to_string(),
                over => fact.over,
            };
            due.push((fact.at, value));
        }
    }
    due.sort_by_key(|(at, _)| at.date_time());
    due.into_iter().map(|(_, value)| value).collect()
}

/// What ends, in words.
pub fn what(what: What) -> &'static str {
    match what {
        What::Rotation => "a new value is due",
        What::Expiry => "the value ends",
        What::Certificate => "the certificate ends",
    }
}
