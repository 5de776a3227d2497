//! What the vault's policy says of units fits the units that there are.

use std::collections::BTreeSet;

use vault_format::{SecretName, policy::Action};

use crate::{
    modules::World,
    problem::Problem,
    system::{Handing, SecretUse, System},
    vault::NodeVault,
};

/// The name of the module that a vault's problems are about.
const MODULE: &str = "vault";

pub(super) fn failed(system: &System, world: &World<'_>) -> Vec<Problem> {
    let Some(vault) = world.vault else { return Vec::new() };
    let uses = || system.secrets.iter().map(|need| &need.value);
    uses()
        .filter(|need| matches!(need.handing, Handing::Credential(_)))
        .flat_map(|need| futile(need, vault))
        .collect()
}

/// A reload of a unit that has the secret as a credential: systemd makes that copy when the unit starts.
fn futile(need: &SecretUse, vault: &NodeVault) -> Vec<Problem> {
    let SecretUse { unit, .. } = need;
    let reloads = |action: &&Action| matches!(action.verb.as_str(), "reload") && action.unit == *unit;
    let problem = |secret: &SecretName| {
        Problem::new(format!(
            "the vault would have {unit} reloaded when `{secret}` changes, and it has that as a credential, which a reload does not bring anew"
        ))
        .about(MODULE, "source")
        .help(format!("write on-change = [\"restart {unit}\"] for it in vault.toml"))
    };
    let policy = vault.verified().policy();
    let shown = shown(need, vault);
    shown
        .iter()
        .filter(|secret| policy.secret(secret).on_change.iter().any(|action| reloads(&action)))
        .map(problem)
        .collect()
}

/// The secrets that are behind what a unit is given.
fn shown(need: &SecretUse, vault: &NodeVault) -> BTreeSet<SecretName> {
    if let Some(template) = vault.verified().templates().get(&need.secret) {
        return template.secrets().into_iter().cloned().collect();
    }
    let view = vault.verified().policy().views().get(&need.secret);
    [view.map_or(&need.secret, |view| &view.of).clone()].into()
}
