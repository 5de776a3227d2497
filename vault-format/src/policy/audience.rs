//! Audiences: the public keys that each name of the policy stands for.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use toml::Spanned;

use super::{
    SecretPolicy,
    error::Fault,
    raw::{self, Group},
};
use crate::{Recipient, cipher::MAX_RECIPIENTS, recipient::RecipientError};

/// Groups nest at most this deep.
const MAX_DEPTH: usize = 32;
/// Most names and keys that all groups and secrets come to, each counted wherever it stands: 10,000 secrets
/// for 200 keys each. A few lines can name millions of keys, since groups hold groups.
const MAX_GRANTS: usize = 1 << 21;
/// How many names an error suggests.
const SUGGESTED: usize = 10;

/// What each name of an audience stands for.
pub(super) struct Audiences {
    keys: BTreeMap<String, BTreeSet<Recipient>>,
    budget: Budget,
}

impl Audiences {
    pub fn resolve(raw: &raw::Policy) -> Result<Self, Fault> {
        let budget = Budget(Cell::new(MAX_GRANTS));
        let mut resolved = BTreeMap::new();
        for (name, machine) in &raw.machines {
            audience_name(name)?;
            let keys = machine.keys.iter().map(public_key).collect::<Result<_, _>>()?;
            resolved.insert(name.get_ref().clone(), Resolved { keys, depth: 0 });
        }
        for name in raw.recipients.keys() {
            audience_name(name)?;
            if resolved.contains_key(name.get_ref()) {
                return Err(Fault::at(
                    name.span(),
                    format!("{name} is a machine too", name = name.get_ref()),
                )
                .help("give the group or the machine another name"));
            }
        }
        let groups: BTreeMap<&str, &Group> =
            raw.recipients.iter().map(|(name, group)| (name.get_ref().as_str(), group)).collect();
        let mut walk = Walk { groups, resolved, open: Vec::new(), budget: &budget };
        for name in raw.recipients.keys() {
            walk.group(name)?;
        }
        let keys = walk.resolved.into_iter().map(|(name, group)| (name, group.keys)).collect();
        Ok(Self { keys, budget })
    }

    /// The keys of a list of groups and machines.
    pub fn of(&self, audience: &[Spanned<String>]) -> Result<BTreeSet<Recipient>, Fault> {
        let mut keys = BTreeSet::new();
        for name in audience {
            let members = self.keys.get(name.get_ref()).ok_or_else(|| {
                let known: Vec<_> = self.keys.keys().map(String::as_str).take(SUGGESTED).collect();
                let more = if self.keys.len() > SUGGESTED { ", …" } else { "" };
                Fault::at(name.span(), format!("no group or machine is called \"{}\"", name.get_ref()))
                    .help(format!("known are: {}{more}", known.join(", ")))
            })?;
            self.budget.spend(1 + members.len(), name)?;
            keys.append(&mut members.clone());
            if keys.len() > MAX_RECIPIENTS {
                return Err(Fault::at(name.span(), "this audience has more than 1,000 keys")
                    .help("name fewer; a file cannot be encrypted to more"));
            }
        }
        Ok(keys)
    }

    /// The keys of one group or machine.
    pub fn keys_of(&self, name: &str) -> BTreeSet<Recipient> {
        self.keys.get(name).cloned().unwrap_or_default()
    }

    /// The audience of the defaults for one more secret.
    pub fn again(
        &self,
        defaults: &SecretPolicy,
        name: &Spanned<String>,
    ) -> Result<BTreeSet<Recipient>, Fault> {
        self.budget.spend(defaults.groups.len() + defaults.audience.len(), name)?;
        Ok(defaults.audience.clone())
    }
}

/// How many keys may still be handed out.
struct Budget(Cell<usize>);

impl Budget {
    fn spend(&self, keys: usize, at: &Spanned<String>) -> Result<(), Fault> {
        let left = self.0.get().checked_sub(keys).ok_or_else(|| {
            Fault::at(at.span(), "up to here the audiences come to more than 2 million keys")
                .help("name fewer people and machines for each secret, or split the vault")
        })?;
        self.0.set(left);
        Ok(())
    }
}

struct Resolved {
    keys: BTreeSet<Recipient>,
    /// How many groups deep the deepest member lies.
    depth: usize,
}

/// Resolves groups in groups, depth first, refusing a circle.
struct Walk<'a> {
    groups: BTreeMap<&'a str, &'a Group>,
    resolved: BTreeMap<String, Resolved>,
    open: Vec<String>,
    budget: &'a Budget,
}

impl Walk<'_> {
    /// Sees to it that the group is among the resolved ones.
    fn group(&mut self, name: &Spanned<String>) -> Result<(), Fault> {
        let text = name.get_ref();
        if self.resolved.contains_key(text) {
            return Ok(());
        }
        // Checked on the way down too, since it bounds our own recursion.
        if self.open.contains(text) || self.open.len() == MAX_DEPTH {
            return Err(too_deep(name));
        }
        let Some(&group) = self.groups.get(text.as_str()) else {
            return Err(Fault::at(
                name.span(),
                format!("no group, machine or public key is called \"{text}\""),
            )
            .help("write a name of [recipients] or [machines], or a public key (age1…)"));
        };
        self.open.push(text.clone());
        let mut found = Resolved { keys: BTreeSet::new(), depth: 1 };
        match group {
            Group::Keys(table) => {
                for key in &table.keys {
                    found.keys.insert(public_key(key)?);
                }
            }
            Group::Members(members) => {
                for member in members {
                    self.member(member, &mut found)?;
                }
            }
        }
        self.open.pop();
        if found.depth > MAX_DEPTH {
            return Err(too_deep(name));
        }
        self.resolved.insert(text.clone(), found);
        Ok(())
    }

    /// A member is a name or a public key; a key never is a name, since it has a `1` after `age`
    /// or a space.
    fn member(&mut self, member: &Spanned<String>, into: &mut Resolved) -> Result<(), Fault> {
        let text = member.get_ref();
        let named = self.resolved.contains_key(text) || self.groups.contains_key(text.as_str());
        if named || is_plain_name(text) && !text.starts_with("age1") {
            self.group(member)?;
        }
        match self.resolved.get(text) {
            Some(group) => {
                self.budget.spend(group.keys.len(), member)?;
                into.keys.append(&mut group.keys.clone());
                into.depth = into.depth.max(group.depth + 1);
            }
            None => {
                into.keys.insert(public_key(member)?);
            }
        }
        Ok(())
    }
}

fn too_deep(name: &Spanned<String>) -> Fault {
    Fault::at(name.span(), format!("the group \"{}\" contains itself, or nests too deep", name.get_ref()))
        .help("let groups name people and machines, and groups that do not lead back")
}

fn public_key(text: &Spanned<String>) -> Result<Recipient, Fault> {
    text.get_ref().parse().map_err(|error: RecipientError| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        Fault { span: Some(text.span()), message: error.to_string(), help }
    })
}

fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c))
}

fn audience_name(name: &Spanned<String>) -> Result<(), Fault> {
    if is_plain_name(name.get_ref()) && !name.get_ref().starts_with("age1") {
        return Ok(());
    }
    Err(Fault::at(name.span(), "this cannot be the name of a group or machine")
        .help("use ASCII letters, digits and . _ - @, not starting with age1"))
}
