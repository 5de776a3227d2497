//! The certificate authority of one machine, below the vault's: for its own ACME server.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Timestamp, Verified,
    change::NewSecret,
    renewal,
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
    let [_, key] = standard::certificate_names(LOCAL_CA)?;
    if let Some(machine) = renewal::machine_with(vault, &key) {
        return Err(LocalCaError::Taken(machine.to_owned()).into());
    }
    Ok(standard::local_ca(&authority::open(vault, common)?, name, Timestamp::now())?)
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
