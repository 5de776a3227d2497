//! The certificate authority of one machine, below the vault's: for its own ACME server.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Timestamp, Verified,
    change::NewSecret,
    policy::GroupKind,
    standard::{self, LOCAL_CA},
};

use crate::{authority, cli::Common};

/// A new local CA for the machine called `name`, signed by the vault's CA. It takes the place of one
/// that no machine can use any more.
///
/// # Errors
///
/// If another machine has the vault's one local CA, the name is no DNS name, or the vault's CA is
/// missing or cannot be opened.
pub fn make(vault: &Verified, name: &str, common: &Common) -> miette::Result<Vec<NewSecret>> {
    if let Some(machine) = present_owner(vault)? {
        return Err(LocalCaError::Taken(machine.to_owned()).into());
    }
    Ok(standard::local_ca(&authority::open(vault, common)?, name, Timestamp::now())?)
}

/// The machine that can open the key of the present local CA.
fn present_owner(vault: &Verified) -> miette::Result<Option<&str>> {
    let [_, key] = standard::certificate_names(LOCAL_CA)?;
    let Some(secret) = vault.lock().secrets.get(&key) else { return Ok(None) };
    let owner = vault.policy().groups().iter().find(|(_, group)| {
        matches!(group.kind, GroupKind::Machine(_)) && !group.keys.is_disjoint(&secret.recipients)
    });
    Ok(owner.map(|(name, _)| name.as_str()))
}

/// Why there is no local CA for the machine.
#[derive(Debug, Error, Diagnostic)]
enum LocalCaError {
    #[error("the vault's one local CA belongs to {0}, and signs for its name")]
    #[diagnostic(help(
        "keep this machine in a vault of its own; or remove {0} first, whose local CA is then replaced"
    ))]
    Taken(String),
}
