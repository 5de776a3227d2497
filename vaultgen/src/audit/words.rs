//! Changes and places in words, for people.

use vault_format::{
    CIPHERTEXT_SUFFIX, Recipient, SecretName,
    audit::{
        Change, Finding, Grade, Place,
        change::{Direction, KeyNames},
        state::{AccessFacts, PublicFacts},
    },
};

use super::report::{Question, Scope};
use crate::former::FormerName;

/// How many names are told before the rest is counted.
const TOLD: usize = 4;
/// How much of a commit's id or of a key tells it from others.
const SHORT_ID: usize = 10;
const SHORT_KEY: usize = 16;

/// A change in words, without a full stop.
#[must_use]
pub fn change(change: &Change) -> String {
    match change {
        Change::Added { secrets, readers } => format!("added {} for {}", names(secrets), keys(readers)),
        Change::Removed { secrets } => format!("removed {}", names(secrets)),
        Change::Renamed { from, to, grade } => {
            let why = match grade {
                Grade::Proved => "",
                Grade::SignedClaim => ", by its public key",
                Grade::GitClaim => ", as its files claim",
            };
            format!("renamed {from} to {to}{why}")
        }
        Change::Rotated { secrets } => format!("new value for {}", names(secrets)),
        Change::Reencrypted { secrets } => {
            format!("encrypted anew, for the same readers: {}", names(secrets))
        }
        Change::Gained { secrets, readers } => {
            format!("{} can decrypt {} now", keys(readers), names(secrets))
        }
        Change::Lost { secrets, readers } => {
            format!("{} can decrypt new states of {} no more", keys(readers), names(secrets))
        }
        Change::Access { path, before, after, direction } => {
            let direction = match direction {
                Direction::Widened => "wider",
                Direction::Narrowed => "narrower",
            };
            format!("{path}: {direction}, from {} to {}", access(before), access(after))
        }
        Change::ViewAdded { path, of, access: given } => {
            format!("view {path} of {of} for {}", access(given))
        }
        Change::ViewRemoved { path } => format!("view {path} removed"),
        Change::TemplateAdded { path } => format!("template {path} added"),
        Change::TemplateRemoved { path } => format!("template {path} removed"),
        Change::ReaderAdded { name, kind } => format!("{} {name} added", kind.word()),
        Change::ReaderRemoved { name, kind } => format!("{} {name} removed", kind.word()),
        Change::ReaderKeys { name, added, removed, .. } => {
            let told = [(added.len(), "added"), (removed.len(), "removed")];
            let told: Vec<String> = told
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}"))
                .collect();
            format!("keys of {name}: {}", told.join(", "))
        }
        Change::SignerAdded { signer } => format!("{} may sign ({})", signer.principal, signer.fingerprint),
        Change::SignerRemoved { signer } => {
            format!("{} may sign no more ({})", signer.principal, signer.fingerprint)
        }
        Change::FileChanged { path } => format!("{path} has another text"),
        Change::AnotherVault { before, after } => format!("vault {before} was replaced by vault {after}"),
    }
}

/// Some names, and how many more.
#[must_use]
pub fn names(secrets: &[SecretName]) -> String {
    counted(secrets.iter().map(SecretName::as_str), secrets.len())
}

/// Whom some keys stand for; a key that stands for nobody by its first letters.
#[must_use]
pub fn keys(readers: &[KeyNames]) -> String {
    let mut names: Vec<String> = readers
        .iter()
        .map(
            |reader| {
                if reader.names.is_empty() { key(reader.key.as_str()) } else { reader.names.join(" and ") }
            },
        )
        .collect();
    names.dedup();
    counted(names.iter().map(String::as_str), names.len())
}

/// Whose a removed key was, and the key by its first letters.
#[must_use]
pub fn former(key: &Recipient, former: &FormerName) -> String {
    let doubt = if former.grade == Grade::GitClaim { " (nobody signed that name)" } else { "" };
    format!("{} [{}]{doubt}", former.names.join(" and "), self::key(key.as_str()))
}

/// A public key by its first letters.
#[must_use]
pub fn key(key: &str) -> String {
    match key.char_indices().nth(SHORT_KEY) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

fn counted<'a>(names: impl Iterator<Item = &'a str>, count: usize) -> String {
    let told: Vec<&str> = names.take(TOLD).collect();
    match count - told.len() {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// Who may open a path.
#[must_use]
pub fn access(access: &AccessFacts) -> String {
    let AccessFacts { owner, group, mode, services } = access;
    let services = if services.is_empty() { String::new() } else { format!(", {} only", services.join(" ")) };
    format!("{owner}:{group} {mode}{services}")
}

/// A commit by its first letters.
#[must_use]
pub fn commit(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// Where something is.
#[must_use]
pub fn place(place: &Place) -> String {
    let path = if place.path.is_empty() { "the repository" } else { &place.path };
    let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
    let commit = place.commit.as_deref().map(|id| format!(" in {}", commit(id))).unwrap_or_default();
    format!("{path}{line}{commit}")
}

/// What a finding is about: the place, and the secret where neither that nor the reason names it.
#[must_use]
pub fn about(finding: &Finding) -> String {
    let place = place(&finding.place);
    let is_named = |name: &str| {
        finding.place.path.ends_with(&format!("/{name}{CIPHERTEXT_SUFFIX}"))
            || finding.reason.split([' ', ',', ':']).any(|word| word == name)
    };
    match &finding.secret {
        Some(secret) if !is_named(secret.as_str()) => format!("{place} ({secret})"),
        _ => place,
    }
}

/// What is public of a secret.
#[must_use]
pub fn facts(facts: &PublicFacts) -> String {
    match facts {
        // That of an authority is for nobody.
        PublicFacts::Certificate { subject, key_type, names, not_after, .. } if names.is_empty() => {
            format!("{subject} ({key_type}) until {}", not_after.date_time().date())
        }
        facts => facts.to_string(),
    }
}

/// Which states were asked about. Commits are told in full: whoever has the report is to find them.
#[must_use]
pub fn scope(question: &Question) -> String {
    match &question.scope {
        Scope::WorkTree { head: Some(head) } => {
            format!("the work tree at commit {head}, and the history before it")
        }
        Scope::WorkTree { head: None } => "the work tree; there is no commit yet".to_owned(),
        Scope::Revision { name, commit } => {
            format!("{name}, which is commit {commit}, and the history before it")
        }
        Scope::Range { name, from, to } => {
            format!("what came in {name}, which is after commit {from} up to commit {to}")
        }
    }
}
