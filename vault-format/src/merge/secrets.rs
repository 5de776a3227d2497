//! Which side each secret comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, Side};
use crate::{Ancestor, Policy, SecretName, Verified, lock::LockedSecret};

type Entries = BTreeMap<SecretName, LockedSecret>;

/// The secrets of both sides, joined.
pub(super) struct Joined {
    /// What the lock says of each.
    pub entries: Entries,
    /// The side that each ciphertext comes from.
    pub sides: BTreeMap<SecretName, Side>,
    /// The secrets whose table in the policy comes from the same side as their value: those that are new
    /// or gone on a side, and those that somebody decided on.
    pub whole: BTreeMap<SecretName, Side>,
}

/// Joins the secrets.
pub(super) fn join(
    base: &Ancestor,
    ours: &Verified,
    theirs: &Verified,
    decide: &mut impl FnMut(Conflict) -> Side,
) -> Joined {
    let states =
        Three { base: &base.lock().secrets, ours: &ours.lock().secrets, theirs: &theirs.lock().secrets };
    let old_policy = Policy::parse(base.policy_text()).ok();
    let policies = [Some(ours.policy()), Some(theirs.policy()), old_policy.as_ref()];
    let policies: Vec<&Policy> = policies.into_iter().flatten().collect();
    let mut joined = Joined { entries: Entries::new(), sides: BTreeMap::new(), whole: BTreeMap::new() };
    for unit in units(&states, &policies) {
        let new_values = [states.ours, states.theirs]
            .map(|side| unit.iter().any(|name| is_new_value(states.base.get(name), side.get(name))));
        let alike = unit.iter().all(|name| states.ours.get(name) == states.theirs.get(name));
        let is_decided = new_values == [true, true] && !alike;
        let side = match new_values {
            _ if is_decided => decide(Conflict::Secrets(unit.clone())),
            [false, true] => Side::Theirs,
            _ => Side::Ours,
        };
        for name in unit {
            if is_decided || !states.is_in_all(&name) {
                joined.whole.insert(name.clone(), side);
            }
            if let Some((entry, side)) = states.pick(&name, side) {
                joined.entries.insert(name.clone(), entry);
                joined.sides.insert(name, side);
            }
        }
    }
    joined
}

struct Three<'a> {
    base: &'a Entries,
    ours: &'a Entries,
    theirs: &'a Entries,
}

impl Three<'_> {
    fn is_in_all(&self, name: &SecretName) -> bool {
        [self.base, self.ours, self.theirs].iter().all(|entries| entries.contains_key(name))
    }

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

/// Secrets that belong together, whichever policy says so: a value with all that is derived from it, a
/// certificate with its key.
fn units(states: &Three<'_>, policies: &[&Policy]) -> Vec<BTreeSet<SecretName>> {
    let names = states.base.keys().chain(states.ours.keys()).chain(states.theirs.keys());
    let mut units: BTreeMap<SecretName, BTreeSet<SecretName>> =
        names.map(|name| (name.clone(), BTreeSet::from([name.clone()]))).collect();
    let mut unit_of: BTreeMap<SecretName, SecretName> =
        units.keys().map(|name| (name.clone(), name.clone())).collect();
    for name in unit_of.keys().cloned().collect::<Vec<_>>() {
        let sources = policies.iter().filter_map(|policy| policy.secret(&name).from.clone());
        for other in sources.chain(partner(&name)) {
            let (Some(one), Some(other)) = (unit_of.get(&name).cloned(), unit_of.get(&other).cloned()) else {
                continue;
            };
            if one != other {
                let moved = units.remove(&other).unwrap_or_default();
                moved.iter().for_each(|name| drop(unit_of.insert(name.clone(), one.clone())));
                units.entry(one).or_default().extend(moved);
            }
        }
    }
    units.into_values().collect()
}

/// The key of a certificate.
fn partner(name: &SecretName) -> Option<SecretName> {
    name.as_str().strip_suffix("-cert.pem").and_then(|pair| format!("{pair}-key.pem").parse().ok())
}
