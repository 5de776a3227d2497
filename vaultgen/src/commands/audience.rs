//! `vaultgen grant` and `vaultgen revoke`: the audience of one secret.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::SecretName;

use crate::{cli::Common, commands, no_secret::NoSecret, vault::OpenVault};

/// Let a group decrypt one secret.
#[derive(Debug, clap::Args)]
pub struct GrantArgs {
    #[command(flatten)]
    share: Share,
}

/// No longer let a group decrypt one secret.
///
/// Its keys know the present value: change it at its source. `verify` says so until then.
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    share: Share,
}

#[derive(Debug, clap::Args)]
struct Share {
    /// The secret, such as passwords/root.txt
    name: SecretName,
    /// The group or machine
    group: String,
}

/// Adds a group to the audience of a secret, and encrypts the secret anew.
///
/// # Errors
///
/// If the vault is not sound or trusted, has no such secret or group, or the change cannot be
/// made.
pub fn grant(args: &GrantArgs, common: &Common) -> miette::Result<()> {
    let Share { name, group } = &args.share;
    let open = OpenVault::open(common, |_, _| false)?;
    let present = present_audience(&open, name)?;
    if !open.vault.policy().groups().contains_key(group) {
        return Err(AudienceError::UnknownGroup(group.clone()).into());
    }
    if present.contains(group) {
        return Err(AudienceError::Granted { name: name.clone(), group: group.clone() }.into());
    }
    let mut change = open.change()?;
    change.policy().add_to_audience(name, present, group);
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

/// Removes a group from the audience of a secret, and encrypts the secret anew.
///
/// # Errors
///
/// As [`grant`], and if the audience does not name the group, or nobody would be left.
pub fn revoke(args: &RevokeArgs, common: &Common) -> miette::Result<()> {
    let Share { name, group } = &args.share;
    let open = OpenVault::open(common, |_, _| false)?;
    let present = present_audience(&open, name)?;
    let mut change = open.change()?;
    if !change.policy().remove_from_audience(name, present, group) {
        return Err(AudienceError::NotGranted { name: name.clone(), group: group.clone() }.into());
    }
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

fn present_audience<'a>(open: &'a OpenVault, name: &SecretName) -> Result<&'a [String], AudienceError> {
    if !open.vault.lock().secrets.contains_key(name) {
        return Err(NoSecret::new(&open.vault, name).into());
    }
    Ok(&open.vault.policy().secret(name).groups)
}

/// Why the audience was not changed.
#[derive(Debug, Error, Diagnostic)]
enum AudienceError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    UnknownSecret(#[from] NoSecret),
    #[error("no group or machine is called {0}")]
    #[diagnostic(help(
        "see them with `vaultgen recipients list`, or make one with `vaultgen recipients add`"
    ))]
    UnknownGroup(String),
    #[error("{group} is in the audience of {name} already")]
    #[diagnostic(help("nothing to do"))]
    Granted { name: SecretName, group: String },
    #[error("the audience of {name} does not name {group}")]
    #[diagnostic(help(
        "it may come in through another group: see [secret.\"{name}\"] and [defaults] in vault.toml"
    ))]
    NotGranted { name: SecretName, group: String },
}
