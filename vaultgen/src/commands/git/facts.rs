//! What a lock says of a file, in lines that a diff compares.

use std::collections::BTreeSet;

use vault_format::{
    Policy, Recipient,
    facts::Facts,
    lock::Origin,
    policy::{GroupKind, SecretPolicy},
    report,
};

use super::listing::Listing;
use crate::audit::words;

/// Most names on a line.
const MAX_NAMES: usize = 50;
/// Most characters of a line.
const MAX_LINE: usize = 1_000;

/// The lines, each with nothing in it that could write on the terminal.
pub(super) fn lines(listing: &Listing) -> Vec<String> {
    let secret = listing.secret();
    let mut lines = vec![format!("name {}", listing.name)];
    match &listing.policy {
        Some(policy) => lines.extend(access(policy.secret(&listing.name))),
        None => lines.push("policy unknown: it is not the one that the lock names".to_owned()),
    }
    lines.push(format!("audience {}", list(audience(&secret.recipients, listing.policy.as_ref()))));
    if !secret.exposed_to.is_empty() {
        lines.push(format!("known to removed keys {}", list(removed(listing))));
    }
    lines.push(format!("created {}", secret.created));
    lines.push(format!("rotated {}", secret.rotated));
    let origin = match secret.origin {
        Origin::Generated => "generated",
        Origin::Entered => "entered",
        Origin::Imported => "imported",
    };
    lines.push(format!("origin {origin}"));
    lines.extend(secret.facts.iter().flat_map(public));
    lines.push(claim(listing));
    lines.into_iter().map(|line| shown(&line)).collect()
}

/// Whose word all this is. Whether the signer is to be trusted is not asked here.
fn claim(listing: &Listing) -> String {
    let (place, serial) = (&listing.place, listing.lock.serial);
    match &listing.signer {
        Some(signer) => {
            format!("claimed by {place}, serial {serial}, signed by {signer} (by its own list of signers)")
        }
        None => format!("claimed by {place}, serial {serial}, whose signature does not hold"),
    }
}

fn access(secret: &SecretPolicy) -> Vec<String> {
    let access = &secret.access;
    let mut lines = vec![
        format!("kind {}", secret.kind.as_str()),
        format!("owner {}, group {}, mode {}", access.owner, access.group, access.mode),
    ];
    if !access.services.is_empty() {
        lines.push(format!("services {}", list(access.services.iter().cloned().collect())));
    }
    lines
}

/// The keys as names: people, machines and safes, then groups that stand for what is left, then keys without a name. A
/// name stands for keys only where all of its keys are among them.
fn audience(keys: &BTreeSet<Recipient>, policy: Option<&Policy>) -> Vec<String> {
    let Some(policy) = policy else { return names(keys) };
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    for several in [false, true] {
        for (name, group) in policy.groups() {
            let is_of_turn = (group.kind == GroupKind::Several) == several;
            let adds = group.keys.iter().any(|key| !named.contains(key));
            if is_of_turn && adds && group.keys.is_subset(keys) {
                found.push(name.clone());
                named.extend(group.keys.iter().cloned());
            }
        }
    }
    found.sort();
    found.extend(names(&keys.difference(&named).cloned().collect()));
    found
}

/// Keys that are in the audience no more, by the last names that a policy had for them.
fn removed(listing: &Listing) -> Vec<String> {
    let keys = listing.secret().exposed_to.iter();
    let told = keys.map(|key| match listing.former.get(key) {
        Some(name) => words::former(key, name),
        None => key.to_string(),
    });
    told.collect()
}

fn names(keys: &BTreeSet<Recipient>) -> Vec<String> {
    keys.iter().map(Recipient::to_string).collect()
}

fn public(facts: &Facts) -> Vec<String> {
    match facts {
        Facts::Certificate(facts) => vec![
            format!("certificate {}", facts.subject),
            format!("issuer {}", facts.issuer),
            format!("names {}", list(facts.names.clone())),
            format!("valid {} to {}", facts.not_before, facts.not_after),
            format!("key {}, SPKI SHA-256 {}", facts.key_type, facts.spki_sha256),
        ],
        Facts::PrivateKey { spki_sha256 } => vec![format!("key SPKI SHA-256 {spki_sha256}")],
        Facts::SshKey { fingerprint } => vec![format!("SSH key {fingerprint}")],
        Facts::PasswordHash(facts) => vec![format!("hash {}, cost {}", facts.scheme, facts.cost)],
    }
}

fn list(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// On one line that a terminal shows as it is, and that is not endless.
fn shown(line: &str) -> String {
    let short: String = line.chars().take(MAX_LINE).collect();
    let more = if short.len() < line.len() { "…" } else { "" };
    format!("{}{more}", report::visible(&short).replace('\n', "\\u{a}"))
}
