//! Giving the files of a generation to those whom their names mean now. Nobody is asked here: a name service's code
//! never runs in the process that does it.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::{Name, OwnerError, Owners, Unresolved};
use crate::generation::{Changes, Index, TreeError};
use crate::verifier::{Plan, PlannedFile};

/// What there is to say about files that were given to somebody else.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reassigned {
    /// What names mean now, for people.
    pub news: Vec<String>,
    /// How many files are different.
    pub files: usize,
    /// The names that mean nobody now.
    pub unresolved: Unresolved,
}

/// Why files could not be given to somebody else. Then they stay as they are.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReassignError {
    /// An owner cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Owner(#[from] OwnerError),
    /// There are no numbers left for files.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// It is about other names than before, or a file is served that is in no plan.
    #[error("what is served and what was looked up do not belong together")]
    #[diagnostic(help("if it stays so, report it: that is a fault of vaultd"))]
    Mismatch,
    /// What it works on cannot be read, or what comes of it cannot be written.
    #[error("cannot read what is served")]
    Read(#[from] io::Error),
}

/// The index of `before`, made by `plan` when names meant `known`, as it is when they mean what they do `now`. What they
/// do is looked through first: a name service's code may have had its hands in it.
pub(super) fn reassign(
    plan: &Plan,
    before: &Index,
    known: &Owners,
    now: &Owners,
) -> Result<(Index, Owners, Reassigned), ReassignError> {
    let names = known.names();
    if names != now.names() {
        return Err(ReassignError::Mismatch);
    }
    let now = now.only(names);
    let planned: BTreeMap<&str, &PlannedFile> =
        plan.files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut index = before.clone();
    for (at, node) in before.nodes().iter().enumerate().filter(|(_, node)| node.content().is_some()) {
        let file = planned.get(before.path(node).as_str()).ok_or(ReassignError::Mismatch)?;
        if Name::of(&file.owner, &file.group).any(|name| !now.has(&name)) {
            return Err(ReassignError::Mismatch);
        }
        let ownership = now.resolve(&file.owner, &file.group, file.mode)?;
        index.give(at, ownership.owner, ownership.group, ownership.mode)?;
    }
    let files = Changes::between(Some(before), &index).changed.len();
    let reassigned = Reassigned { news: news(known, &now), files, unresolved: now.unresolved() };
    Ok((index, now, reassigned))
}

fn news(known: &Owners, now: &Owners) -> Vec<String> {
    let tell = |name: Name| match (known.number(&name), now.number(&name)) {
        (before, after) if before == after => None,
        (None, Some(number)) => Some(format!("{name} is there now, as {number}")),
        (Some(before), Some(number)) => Some(format!("{name} is {number} now, and was {before}")),
        (_, None) => Some(format!("there is no {name} any more, whose files are left to root")),
    };
    now.names().into_iter().filter_map(tell).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use vault_format::policy::Access;
    use vault_format::{Digest, SecretName};

    use super::{Index, Name, Owners, Plan, PlannedFile, ReassignError, reassign};
    use crate::generation::index::{Content, Entry, Facts};
    use crate::verifier::Origin;

    const MODE: u16 = 0o440;

    /// A plan of files with an owner and a group each.
    fn plan(files: &[(&str, &str, &str)]) -> Plan {
        let planned = |&(path, owner, group): &(&str, &str, &str)| {
            let access = Access {
                owner: owner.to_owned(),
                group: group.to_owned(),
                mode: "0440".parse().expect("a mode"),
                services: Arc::default(),
            };
            let path = SecretName::try_from(path.to_owned()).expect("a name");
            let (then, digest) = (SystemTime::UNIX_EPOCH, Digest::of(path.as_str().as_bytes()));
            PlannedFile::new(&path, &access, then, digest, Origin::Ciphertext(None))
        };
        let mut plan = Plan::default();
        plan.files.extend(files.iter().map(planned));
        plan
    }

    /// Users and groups of these names, each with this number.
    fn owners(names: &[(&str, Option<u32>)]) -> Owners {
        let mut owners = Owners::default();
        for (name, id) in names {
            owners.learn(Name::User((*name).to_owned()), *id);
            owners.learn(Name::Group((*name).to_owned()), *id);
        }
        owners
    }

    /// What a first load makes of a plan.
    fn loaded(plan: &Plan, owners: &Owners) -> Index {
        let entry = |file: &PlannedFile| {
            let ownership = owners.resolve(&file.owner, &file.group, file.mode).expect("an owner");
            Entry {
                path: file.path.to_string(),
                facts: Facts {
                    owner: ownership.owner,
                    group: ownership.group,
                    mode: ownership.mode,
                    modified: file.modified,
                },
                services: Arc::default(),
                content: Content { object: 0, span: 0..1, digest: file.digest },
            }
        };
        Index::grow(&plan.files.iter().map(entry).collect::<Vec<_>>()).expect("a tree")
    }

    #[test]
    fn what_differs_is_as_after_a_first_load_and_has_a_new_number() {
        let plan = plan(&[("d/odoo", "odoo", "odoo"), ("root", "0", "0"), ("web", "0", "web")]);
        let states = [(None, None), (Some(7), None), (Some(7), Some(8)), (Some(9), Some(8)), (None, Some(8))];
        let states = states.map(|(odoo, web)| owners(&[("odoo", odoo), ("web", web)]));
        let mut seen = std::collections::BTreeSet::new();
        let mut index = loaded(&plan, &states[0]);
        seen.extend(index.nodes().iter().map(|node| node.number));
        for states in states.windows(2) {
            let (after, now, reassigned) = reassign(&plan, &index, &states[0], &states[1]).expect("an index");
            let expected = loaded(&plan, &now);
            let mut changed = 0;
            for path in ["d/odoo", "root", "web", "d"] {
                let of = |index: &Index| index.at(path).expect("a node").facts;
                assert_eq!(of(&after), of(&expected), "{path}");
                let number = |index: &Index| index.at(path).expect("a node").number;
                let is_new = seen.insert(number(&after));
                assert_eq!(is_new, of(&after) != of(&index), "{path}");
                changed += usize::from(is_new);
            }
            assert_eq!((reassigned.files, changed), (1, 1));
            assert_eq!(reassigned.unresolved, states[1].unresolved());
            index = after;
        }
        let odoo = index.at("d/odoo").expect("a node").facts;
        assert_eq!((odoo.owner, odoo.group, odoo.mode), (0, 0, MODE & 0o400));
    }

    #[test]
    fn nothing_is_made_of_what_does_not_belong_together() {
        let served = plan(&[("a", "odoo", "0")]);
        let known = owners(&[("odoo", None)]);
        let index = loaded(&served, &known);
        let made = |plan: &Plan, now: &Owners| reassign(plan, &index, &known, now);
        assert!(made(&served, &owners(&[("odoo", Some(7))])).is_ok());
        for names in [&[("other", Some(7))][..], &[], &[("odoo", Some(7)), ("other", Some(7))]] {
            assert!(matches!(made(&served, &owners(names)), Err(ReassignError::Mismatch)), "{names:?}");
        }
        for other in [plan(&[("b", "odoo", "0")]), plan(&[("a", "other", "0")])] {
            let now = owners(&[("odoo", Some(7))]);
            assert!(matches!(made(&other, &now), Err(ReassignError::Mismatch)));
        }
        // A number that the name service's code made up.
        let mut odd = serde_json::to_value(owners(&[("odoo", Some(7))])).expect("JSON");
        odd["users"]["odoo"] = 61184.into();
        let odd: Owners = serde_json::from_value(odd).expect("owners");
        let (after, now, _) = made(&served, &odd).expect("an index");
        assert_eq!(after.at("a").expect("a node").facts.owner, 0);
        assert_eq!(now.unresolved().users, ["odoo"]);
    }
}
