//! What went under one name and came under another, where the bytes are not the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Grade;
use crate::{SecretName, Timestamp, facts::Facts, lock::LockedSecret};

/// One secret under two names.
pub(super) struct Rename<'a> {
    pub from: &'a SecretName,
    pub to: &'a SecretName,
    pub old: &'a LockedSecret,
    pub new: &'a LockedSecret,
    pub grade: Grade,
}

/// Secrets by their names.
type Named<'a> = Vec<(&'a SecretName, &'a LockedSecret)>;

/// What is public of a key or a certificate, and of no other: kind, public key, and who has it until when.
type PublicPart<'a> = (&'static str, String, Option<(&'a str, &'a str, Timestamp, Timestamp)>);

/// Takes out what was encrypted anew under another name, as `vaultgen sign` does it: a key or a certificate whose public
/// part went once, and came once. Of a password, nothing is public that could tell.
pub(super) fn take_moved_keys<'a>(went: &mut Named<'a>, came: &mut Named<'a>) -> Vec<Rename<'a>> {
    let mut by_part: BTreeMap<PublicPart<'a>, [Named<'a>; 2]> = BTreeMap::new();
    for (side, secrets) in [&*went, &*came].into_iter().enumerate() {
        for (name, secret) in secrets {
            let Some(part) = secret.facts.as_ref().and_then(public_part) else { continue };
            by_part.entry(part).or_default()[side].push((*name, *secret));
        }
    }
    let renames = by_part.values().filter_map(|[went, came]| {
        let ([(from, old)], [(to, new)]) = (went.as_slice(), came.as_slice()) else { return None };
        Some(Rename { from, to, old, new, grade: Grade::SignedClaim })
    });
    let renames: Vec<Rename<'a>> = renames.collect();
    let (from, to) =
        renames.iter().map(|rename| (rename.from, rename.to)).unzip::<_, _, BTreeSet<_>, BTreeSet<_>>();
    went.retain(|(name, _)| !from.contains(name));
    came.retain(|(name, _)| !to.contains(name));
    renames
}

fn public_part(facts: &Facts) -> Option<PublicPart<'_>> {
    match facts {
        Facts::PrivateKey { spki_sha256 } => Some(("private key", spki_sha256.to_string(), None)),
        Facts::SshKey { fingerprint } => Some(("SSH key", fingerprint.clone(), None)),
        Facts::Certificate(facts) => {
            let (subject, issuer) = (facts.subject.as_str(), facts.issuer.as_str());
            let rest = (subject, issuer, facts.not_before, facts.not_after);
            Some(("certificate", facts.spki_sha256.to_string(), Some(rest)))
        }
        Facts::PasswordHash(_) => None,
    }
}
