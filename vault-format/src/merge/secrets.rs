//! Which side each secret comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, Side};
use crate::{Ancestor, Policy, SecretName, Verified, lock::LockedSecret};

type Entries = BTreeMap<SecretName, LockedSecret>;

/// The joined entries of the lock, and the side that each ciphertext comes from.
pub(super) fn join(
    base: &Ancestor,
    ours: &Verified,
    theirs: &Verified,
    decide: &mut impl FnMut(Conflict) -> Side,
) -> (Entries, BTreeMap<SecretName, Side>) {
    let states =
        Three { base: &base.lock().secrets, ours: &ours.lock().secrets, theirs: &theirs.lock().secrets };
    let (mut entries, mut sides) = (Entries::new(), BTreeMap::new());
    for unit in units(&states, [ours.policy(), theirs.policy()]) {
        let new_values = [states.ours, states.theirs]
            .map(|side| unit.iter().any(|name| is_new_value(states.base.get(name), side.get(name))));
        let alike = unit.iter().all(|name| states.ours.get(name) == states.theirs.get(name));
        let side = match new_values {
            [true, true] if !alike => decide(Conflict::Secrets(unit.clone())),
            [false, true] => Side::Theirs,
            _ => Side::Ours,
        };
        for name in unit {
            if let Some((entry, side)) = states.pick(&name, side) {
                entries.insert(name.clone(), entry);
                sides.insert(name, side);
            }
        }
    }
    (entries, sides)
}

struct Three<'a> {
    base: &'a Entries,
    ours: &'a Entries,
    theirs: &'a Entries,
}

impl Three<'_> {
    /// The entry of a secret whose value comes from `side`. Where the value is the same on both, it is
    /// the ciphertext that was made anew, and what either side knows of its readers counts.
    fn pick(&self, name: &SecretName, side: Side) -> Option<(LockedSecret, Side)> {
        let [ours, theirs] = [self.ours.get(name), self.theirs.get(name)];
        let (chosen, other) = match side {
            Side::Ours => (ours?, theirs),
            Side::Theirs => (theirs?, ours),
        };
        let Some(other) = other.filter(|other| !is_new_value(Some(chosen), Some(other))) else {
            return Some((chosen.clone(), side));
        };
        let made_anew =
            |entry: &LockedSecret| self.base.get(name).is_none_or(|before| before.sha256 != entry.sha256);
        let (mut entry, side) = if !made_anew(chosen) && made_anew(other) {
            (other.clone(), side.other())
        } else {
            (chosen.clone(), side)
        };
        for known in [chosen, other] {
            entry.exposed_to.extend(known.exposed_to.iter().chain(&known.recipients).cloned());
        }
        Some((entry, side))
    }
}

/// Whether the value changed, and not only who can decrypt it. A new value has a later date than the
/// one before.
fn is_new_value(before: Option<&LockedSecret>, now: Option<&LockedSecret>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => (before.created, before.rotated) != (now.created, now.rotated),
        (before, now) => before.is_some() != now.is_some(),
    }
}

/// Secrets that belong together: a value with what is derived from it, a certificate with its key.
fn units(states: &Three<'_>, policies: [&Policy; 2]) -> Vec<BTreeSet<SecretName>> {
    let names = states.base.keys().chain(states.ours.keys()).chain(states.theirs.keys());
    let mut units: BTreeMap<String, BTreeSet<SecretName>> = BTreeMap::new();
    for name in names {
        let source = policies.iter().find_map(|policy| policy.secret(name).from.as_ref());
        let source = source.unwrap_or(name);
        units.entry(source.pair().unwrap_or(source.as_str()).to_owned()).or_default().insert(name.clone());
    }
    units.into_values().collect()
}
