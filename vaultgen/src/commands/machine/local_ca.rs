//! The certificate authority of one machine, below the vault's: for its own ACME server.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    SecretName, Timestamp, Verified,
    change::NewSecret,
    policy::{PolicyEditor, SecretTable},
    renewal,
    standard::{self, LOCAL_CA},
};

use crate::{authority, certificate::NewPair, cli::Common, vault::OpenVault};

/// A new local CA for the machine called `name`, signed by the vault's CA. It takes the place of one
/// that no machine can use any more.
///
/// # Errors
///
/// If a machine has the vault's one local CA, the name is no DNS name, or the vault's CA is missing or
/// cannot be opened.
pub fn make(vault: &Verified, name: &str, common: &Common) -> miette::Result<[NewSecret; 2]> {
    let [certificate, key] = standard::certificate_names(LOCAL_CA)?;
    match renewal::machine_with(vault, &key) {
        Some(machine) if machine == name => {
            return Err(LocalCaError::Present { name: name.to_owned(), certificate }.into());
        }
        Some(machine) => return Err(LocalCaError::Taken(machine.to_owned()).into()),
        None => {}
    }
    Ok(standard::local_ca(&authority::open(vault, common)?, name, Timestamp::now())?)
}

/// Gives a machine that is in the vault a local CA, and changes nothing else of it.
///
/// # Errors
///
/// As [`make`], and if the change cannot be made.
pub fn give(open: &OpenVault, name: &str, common: &Common) -> miette::Result<()> {
    let secrets = make(&open.vault, name, common)?;
    let mut change = open.change()?;
    let names = secrets.each_ref().map(|secret| secret.name.clone());
    describe(&secrets, change.policy());
    let pair = NewPair::put(open, &mut change, secrets)?;
    for secret in &names {
        let groups = &open.vault.policy().secret(secret).groups;
        // Its profile may have given it the certificate of a CA that was another machine's.
        if !groups.iter().any(|group| group == name) {
            change.policy().add_to_audience(secret, groups, name);
        }
    }
    if open.apply(change, common)?.is_some() {
        pair.say_what(&open.vault, common);
    }
    Ok(())
}

/// The policy calls it by the name of its machine, also where it was another one's.
pub fn describe(secrets: &[NewSecret], policy: &mut PolicyEditor) {
    for NewSecret { name, table, .. } in secrets {
        if policy.has_secret(name) {
            let description = table.description.clone();
            policy.set_secret(name, &SecretTable { kind: table.kind, description, ..SecretTable::default() });
        }
    }
}

/// Why there is no local CA for the machine.
#[derive(Debug, Error, Diagnostic)]
enum LocalCaError {
    #[error("{name} has a local CA already")]
    #[diagnostic(help("a new one in its place: `vaultgen rotate {certificate}`"))]
    Present { name: String, certificate: SecretName },
    #[error("the vault's one local CA belongs to {0}, and signs for its name")]
    #[diagnostic(help(
        "keep this machine in a vault of its own; or remove {0} first, whose local CA is then replaced"
    ))]
    Taken(String),
}
