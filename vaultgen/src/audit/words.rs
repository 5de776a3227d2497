//! Changes and places in words, for people.

use vault_format::{
    SecretName,
    audit::{
        Change, Place,
        change::{Direction, KeyNames},
        state::AccessFacts,
    },
};

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
        Change::Renamed { from, to } => format!("renamed {from} to {to}"),
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
            format!("{name} has other keys: {} came, {} went", added.len(), removed.len())
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
