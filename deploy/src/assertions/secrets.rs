//! Each secret that a unit is given is in the vault, this machine can decrypt it, and nobody else may read it.

use std::collections::BTreeSet;

use vault_format::{Policy, Recipient, SecretName, policy::Mode};

use crate::{
    modules::World,
    problem::Problem,
    system::{By, Handing, ROOT, SecretUse, System},
    vault::NodeVault,
};

/// The name of the module that a vault's problems are about.
const MODULE: &str = "vault";

pub(super) fn failed(system: &System, world: &World<'_>) -> Vec<Problem> {
    let Some(vault) = world.vault else {
        let without = |need: &By<SecretUse>| {
            let SecretUse { secret, unit, .. } = &need.value;
            Problem::new(format!("{unit} needs `{secret}`, and the node has no vault"))
                .help("add [vault] to the node")
        };
        return system.secrets.iter().map(without).collect();
    };
    let machine = vault.machine();
    let Some(keys) = vault.machine_keys() else {
        let problem =
            Problem::new(format!("the vault does not know the machine `{machine}`")).about(MODULE, "machine");
        return vec![problem.help(format!("let it in: `vaultgen machine add {machine}`"))];
    };
    let judge = |need: &By<SecretUse>| {
        let served = Served::find(vault, &need.value.secret);
        match served {
            None => Some(missing(&need.value)),
            Some(served) if !keys.is_subset(&served.audience) => Some(undecryptable(&need.value, machine)),
            Some(served) => not_its_service(&need.value, &served)
                .or_else(|| unreadable(&need.value, &served))
                .or_else(|| readable_by_others(&need.value, &served, system)),
        }
    };
    system.secrets.iter().filter_map(judge).collect()
}

/// A secret, view or template, as it is served.
struct Served {
    owner: String,
    mode: Mode,
    services: BTreeSet<String>,
    audience: BTreeSet<Recipient>,
}

impl Served {
    fn find(vault: &NodeVault, name: &SecretName) -> Option<Self> {
        let policy: &Policy = vault.verified().policy();
        if let Some(template) = policy.templates().get(name) {
            let shown =
                vault.verified().templates().get(name).map(|template| template.secrets()).unwrap_or_default();
            return Some(Self {
                owner: template.owner.clone(),
                mode: template.mode,
                services: policy.template_services(template, &shown).unwrap_or_default(),
                audience: template.audience.clone(),
            });
        }
        let view = policy.views().get(name);
        let secret = policy.secret(view.map_or(name, |view| &view.of));
        let access = view.map_or(&secret.access, |view| &view.access);
        let is_there = view.is_some() || vault.verified().lock().secrets.contains_key(name);
        is_there.then(|| Self {
            owner: access.owner.clone(),
            mode: access.mode,
            services: (*access.services).clone(),
            audience: secret.audience.clone(),
        })
    }
}

fn missing(SecretUse { secret, unit, why, .. }: &SecretUse) -> Problem {
    let problem = Problem::new(format!("{unit} needs `{secret}` ({why}), which the vault does not have"));
    problem.about(MODULE, "source").help(how_to_make(secret))
}

fn undecryptable(SecretUse { secret, unit, why, .. }: &SecretUse, machine: &str) -> Problem {
    let problem = Problem::new(format!("{unit} needs `{secret}` ({why}), which `{machine}` cannot decrypt"));
    problem.about(MODULE, "machine").help(format!("`vaultgen grant {secret} {machine}`"))
}

/// A unit that the secret's own rule does not let in.
fn not_its_service(SecretUse { secret, unit, .. }: &SecretUse, served: &Served) -> Option<Problem> {
    let is_let_in = served.services.is_empty() || served.services.contains(*unit);
    let problem =
        || Problem::new(format!("`{secret}` may be opened by its `services` only, of which {unit} is none"));
    let help = || format!("add \"{unit}\" to its `services` in vault.toml");
    (!is_let_in).then(|| problem().about(MODULE, "source").help(help()))
}

/// A unit that opens the secret itself, as somebody who may not.
fn unreadable(SecretUse { secret, unit, user, handing, .. }: &SecretUse, served: &Served) -> Option<Problem> {
    let may = *handing != Handing::Path || served.owner == user.as_str() || served.mode.is_world_readable();
    let problem =
        || Problem::new(format!("{unit} opens `{secret}` as `{user}`, and it belongs to `{}`", served.owner));
    let help = || format!("write owner = \"{user}\" for it in vault.toml, or give it a view");
    (!may).then(|| problem().about(MODULE, "source").help(help()))
}

/// A secret that belongs to the user of another unit.
fn readable_by_others(
    SecretUse { secret, unit, user, .. }: &SecretUse,
    served: &Served,
    system: &System,
) -> Option<Problem> {
    if served.mode.is_world_readable() || [ROOT, user.as_str()].contains(&served.owner.as_str()) {
        return None;
    }
    let runs_as_owner = |unit: &&String| {
        system.units[*unit].value.file.get("Service", "User").contains(&served.owner.as_str())
    };
    let other = system.units.keys().find(runs_as_owner)?;
    let problem = Problem::new(format!(
        "`{secret}` is for {unit}, and {other} could read it too, as `{}`",
        served.owner
    ));
    Some(
        problem
            .about(MODULE, "source")
            .help(format!("write owner = \"{user}\" or \"root\" for it in vault.toml")),
    )
}

fn how_to_make(secret: &SecretName) -> String {
    let name = secret.as_str();
    let base = name.rsplit('/').next().unwrap_or(name);
    match name.split('/').next() {
        Some("passwords") => format!("`vaultgen password {}`", base.split('.').next().unwrap_or(base)),
        Some("certs") if base.starts_with("local-ca-") => "`vaultgen machine add NAME --local-ca`".to_owned(),
        Some("certs") => format!(
            "`vaultgen certs {}`",
            base.trim_end_matches(".pem").trim_end_matches("-key").trim_end_matches("-cert")
        ),
        _ => "`vaultgen init` makes what is missing of an Odoo vault".to_owned(),
    }
}
