//! `vaultgen recipients`: groups, and the public keys in them.

use std::collections::BTreeSet;

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;
use vault_format::{Recipient, Verified, policy::GroupKind};

use crate::{
    cli::Common,
    commands, json,
    vault::{self, OpenVault},
};

/// Show and change the groups and the public keys in them.
///
/// A change encrypts exactly the files anew that it concerns. After a removal, what the removed
/// key could read must be changed at its source: it is listed, and stays in `verify` until then.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List groups and machines with their keys
    List,
    /// Add a public key to a group; a new name becomes a person
    Add {
        /// A person or a group, such as ops
        group: String,
        /// The public key: age1…, age1NAME1… of an age plugin, or an SSH key in quotes, "ssh-ed25519 AAAA…"
        key: Recipient,
    },
    /// Remove a public key from a group
    Remove {
        /// A person or a group, such as ops
        group: String,
        /// The public key, as `vaultgen recipients list` shows it
        key: Recipient,
    },
}

/// Lists, adds or removes.
///
/// # Errors
///
/// If the vault is not sound or trusted, the group or key is not there, or the change cannot be
/// made.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = || OpenVault::open(common, |_, _| false);
    match &args.action {
        Action::List => list(&vault::read(common)?, common)?,
        Action::Add { group, key } => add(&open()?, group, key, common)?,
        Action::Remove { group, key } => remove(&open()?, group, key, common)?,
    }
    Ok(())
}

impl Args {
    /// Whether it only lists.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.action, Action::List)
    }
}

/// All groups, as their JSON has them.
#[derive(Serialize)]
struct Groups<'a> {
    groups: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    keys: &'a BTreeSet<Recipient>,
}

fn list(vault: &Verified, common: &Common) -> miette::Result<()> {
    let groups = vault.policy().groups().iter().map(|(name, group)| {
        let (kind, profile) = match &group.kind {
            GroupKind::Person => ("person", None),
            GroupKind::Recovery => ("recovery", None),
            GroupKind::Several => ("group", None),
            GroupKind::Machine(profile) => ("machine", profile.as_deref()),
        };
        Listed { name, kind, profile, keys: &group.keys }
    });
    let groups = Groups { groups: groups.collect() };
    if common.json {
        return json::print(&groups);
    }
    for Listed { name, kind, profile, keys } in groups.groups {
        let profile = profile.map(|profile| format!(" ({profile})")).unwrap_or_default();
        commands::say(common.quiet, &format!("{name}  {kind}{profile}"));
        keys.iter().for_each(|key| commands::say(common.quiet, &format!("  {key}")));
    }
    Ok(())
}

fn add(open: &OpenVault, group: &str, key: &Recipient, common: &Common) -> miette::Result<()> {
    let known = open.vault.policy().groups().get(group);
    if known.is_some_and(|known| known.keys.contains(key)) {
        return Err(RecipientsError::Present { group: group.to_owned(), key: key.clone() }.into());
    }
    commands::warn_of_cost(key);
    let mut change = open.change()?;
    change.policy().add_key(group, key);
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    if known.is_none() {
        let note = format!("{group} is new; no audience names it yet: `vaultgen grant NAME {group}`");
        commands::say(common.quiet, &note);
    }
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

fn remove(open: &OpenVault, group: &str, key: &Recipient, common: &Common) -> miette::Result<()> {
    let mut change = open.change()?;
    if !change.policy().remove_key(group, key) {
        return Err(RecipientsError::Absent { group: group.to_owned(), key: key.clone() }.into());
    }
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

/// Why the groups were not changed.
#[derive(Debug, Error, Diagnostic)]
enum RecipientsError {
    #[error("{group} has the key {key} already")]
    #[diagnostic(help("nothing to do"))]
    Present { group: String, key: Recipient },
    #[error("{group} does not have the key {key} itself")]
    #[diagnostic(help("see who has it: `vaultgen recipients list`"))]
    Absent { group: String, key: Recipient },
}
