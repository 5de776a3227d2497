//! A name that no secret of the vault has, and those that may be meant.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{SecretName, Verified};

/// Most names that are proposed.
const MOST: usize = 3;

/// There is no such secret.
#[derive(Debug, Error, Diagnostic)]
#[error("there is no secret {name} in this vault")]
#[diagnostic(help("{}", hint(.alike)))]
pub struct NoSecret {
    name: SecretName,
    alike: Vec<SecretName>,
}

impl NoSecret {
    /// `name` is none of the secrets of `vault`.
    #[must_use]
    pub fn new(vault: &Verified, name: &SecretName) -> Self {
        let is_source = |other: &&SecretName| vault.policy().secret(other).from.is_none();
        let known = vault.lock().secrets.keys().filter(is_source);
        let alike = known.filter(|other| other.as_str().contains(name.as_str()));
        Self { name: name.clone(), alike: alike.take(MOST).cloned().collect() }
    }
}

fn hint(alike: &[SecretName]) -> String {
    if alike.is_empty() {
        return "the names are in vault.lock, one [secret.\"NAME\"] each; add one with `vaultgen add`"
            .to_owned();
    }
    let alike: Vec<_> = alike.iter().map(SecretName::as_str).collect();
    format!("did you mean {}?", alike.join(" or "))
}
