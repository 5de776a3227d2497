//! `vaultgen recipients`: groups, and the public keys in them.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{Recipient, Verified, policy::GroupKind};

use crate::{
    cli::Common,
    commands,
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
        /// Who or which group
        group: String,
        /// The public key: age1…, an SSH key, or age1NAME1… of an age plugin
        key: Recipient,
    },
    /// Remove a public key from a group
    Remove {
        /// Who or which group
        group: String,
        /// The public key, age1…
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
        Action::List => list(&vault::read(common)?, common),
        Action::Add { group, key } => add(&open()?, group, key, common)?,
        Action::Remove { group, key } => remove(&open()?, group, key, common)?,
    }
    Ok(())
}

fn list(vault: &Verified, common: &Common) {
    for (name, group) in vault.policy().groups() {
        let kind = match &group.kind {
            GroupKind::Person => "person".to_owned(),
            GroupKind::Recovery => "recovery".to_owned(),
            GroupKind::Several => "group".to_owned(),
            GroupKind::Machine(None) => "machine".to_owned(),
            GroupKind::Machine(Some(profile)) => format!("machine ({profile})"),
        };
        commands::say(common.quiet, &format!("{name}  {kind}"));
        for key in &group.keys {
            commands::say(common.quiet, &format!("  {key}"));
        }
    }
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
