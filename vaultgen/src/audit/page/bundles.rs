//! Secrets that the same readers can decrypt and the same users may open: one bundle.

use std::collections::{BTreeMap, BTreeSet};

use vault_format::audit::{
    StateFacts,
    state::{AccessFacts, SecretFacts},
};

/// Some secrets of which the same is true.
#[derive(Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// The common folder and how many, or the only secret's name; no two have the same.
    pub label: String,
    /// The people, recovery keys and machines that can decrypt them.
    pub readers: BTreeSet<&'a str>,
    /// How many keys can that stand for nobody.
    pub unnamed: usize,
    /// Who may open them where they are served.
    pub opener: String,
    /// Their positions in the state.
    pub secrets: Vec<usize>,
}

/// The bundles of a state, the largest first.
pub fn of(state: &StateFacts) -> Vec<Bundle<'_>> {
    type Alike<'a> = (BTreeSet<&'a str>, Vec<&'a str>, String);
    let mut alike: BTreeMap<Alike<'_>, Vec<usize>> = BTreeMap::new();
    for (index, secret) in state.secrets.iter().enumerate() {
        let readers = secret.readers.iter().map(String::as_str).collect();
        let unnamed = secret.unnamed_keys.iter().map(|key| key.as_str()).collect();
        alike.entry((readers, unnamed, opener(&secret.access))).or_default().push(index);
    }
    let bundles = alike.into_iter().map(|((readers, unnamed, opener), secrets)| Bundle {
        label: label(&state.secrets, &secrets),
        readers,
        unnamed: unnamed.len(),
        opener,
        secrets,
    });
    let mut bundles: Vec<_> = bundles.collect();
    tell_apart(&mut bundles, &state.secrets);
    bundles
        .sort_by(|one, other| (other.secrets.len(), &one.secrets).cmp(&(one.secrets.len(), &other.secrets)));
    bundles
}

/// Who may open a file where it is served, in a few words.
pub fn opener(access: &AccessFacts) -> String {
    let digit = |place: usize| access.mode.chars().rev().nth(place).and_then(|c| c.to_digit(8)).unwrap_or(0);
    let mut who = access.owner.clone();
    if digit(1) & 4 != 0 {
        who = format!("{who}, group {}", access.group);
    }
    if digit(0) & 4 != 0 {
        who.push_str(", everybody");
    }
    if access.services.is_empty() { who } else { format!("{} as {who}", access.services.join(", ")) }
}

fn label(all: &[SecretFacts], secrets: &[usize]) -> String {
    let names: Vec<&str> = secrets.iter().map(|index| all[*index].name.as_str()).collect();
    match names.as_slice() {
        [only] => (*only).to_owned(),
        many => match common_folder(many) {
            "" => format!("{} and more ({})", many[0], many.len()),
            folder => format!("{folder} ({})", many.len()),
        },
    }
}

/// Bundles of one folder are told apart by the first secret of each, which no other has.
fn tell_apart(bundles: &mut [Bundle<'_>], all: &[SecretFacts]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for bundle in bundles.iter() {
        *counts.entry(bundle.label.clone()).or_default() += 1;
    }
    for bundle in bundles.iter_mut().filter(|bundle| counts[&bundle.label] > 1) {
        if let [first, _, ..] = bundle.secrets[..] {
            bundle.label = format!("{} and more ({})", all[first].name.as_str(), bundle.secrets.len());
        }
    }
}

/// The longest folder that all names are in, with its slash.
pub fn common_folder<'a>(names: &[&'a str]) -> &'a str {
    let Some((first, others)) = names.split_first() else { return "" };
    let mut end = first.rfind('/').map_or(0, |slash| slash + 1);
    while end > 0 && !others.iter().all(|name| name.starts_with(&first[..end])) {
        end = first[..end - 1].rfind('/').map_or(0, |slash| slash + 1);
    }
    &first[..end]
}
