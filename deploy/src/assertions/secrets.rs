//! Each secret that a unit is given is in the vault, this machine can decrypt it, and nobody else may read it.

use std::collections::BTreeSet;

use vault_format::{
    Policy, Recipient, SecretName,
    policy::{Kind, Mode},
};

use crate::{
    modules::World,
    problem::Problem,
    system::{By, Handing, ROOT, SecretUse, System},
    value::UserName,
    vault::NodeVault,
};

/// The name of the module that a vault's problems are about.
const MODULE: &str = "vault";
/// What a machine signs certificates by.
const LOCAL_CA_KEY: &str = "certs/local-ca-key.pem";

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
            None => Some(missing(&need.value, machine)),
            Some(served) if !keys.is_subset(&served.audience) => Some(undecryptable(&need.value, machine)),
            Some(served) => not_its_service(&need.value, &served)
                .or_else(|| unreadable(&need.value, &served))
                .or_else(|| readable_by_others(&need.value, vault, system)),
        }
    };
    system.secrets.iter().filter_map(judge).collect()
}

/// A secret, view or template, as it is served.
struct Served {
    kind: Kind,
    owner: String,
    group: String,
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
                kind: Kind::Opaque,
                owner: template.owner.clone(),
                group: template.group.clone(),
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
            kind: secret.kind,
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: access.mode,
            services: (*access.services).clone(),
            audience: secret.audience.clone(),
        })
    }

    /// Whether everybody may know it.
    fn is_public(&self) -> bool {
        self.kind == Kind::Certificate
    }

    /// Whether a user, who is in these groups, may read it.
    fn is_readable_by(&self, user: &str, groups: &[&str]) -> bool {
        let by_group = self.mode.bits() & 0o040 != 0 && groups.contains(&self.group.as_str());
        self.owner == user || by_group || self.mode.is_world_readable()
    }
}

/// Everything by which the value of a secret, view or template can be read: the secrets in it, and whatever shows them.
fn faces(vault: &NodeVault, name: &SecretName) -> BTreeSet<SecretName> {
    let (policy, templates) = (vault.verified().policy(), vault.verified().templates());
    let shown = |template: &SecretName| -> BTreeSet<SecretName> {
        templates.get(template).map(|text| text.secrets().into_iter().cloned().collect()).unwrap_or_default()
    };
    let secrets = match (policy.views().get(name), policy.templates().contains_key(name)) {
        (Some(view), _) => BTreeSet::from([view.of.clone()]),
        (None, true) => shown(name),
        (None, false) => BTreeSet::from([name.clone()]),
    };
    let views =
        policy.views().iter().filter(|(_, view)| secrets.contains(&view.of)).map(|(name, _)| name.clone());
    let showing =
        policy.templates().keys().filter(|template| !shown(template).is_disjoint(&secrets)).cloned();
    let others: Vec<SecretName> = views.chain(showing).collect();
    secrets.into_iter().chain(others).collect()
}

fn missing(SecretUse { secret, unit, why, .. }: &SecretUse, machine: &str) -> Problem {
    let problem = Problem::new(format!("{unit} needs `{secret}` ({why}), which the vault does not have"));
    problem.about(MODULE, "source").help(how_to_make(secret, machine))
}

fn undecryptable(SecretUse { secret, unit, why, .. }: &SecretUse, machine: &str) -> Problem {
    let problem = Problem::new(format!("{unit} needs `{secret}` ({why}), which `{machine}` cannot decrypt"));
    // That of another machine signs for the name of that one: nothing to be granted.
    problem.about(MODULE, "machine").help(match secret.as_str() == LOCAL_CA_KEY {
        true => local_ca_for(machine),
        false => format!("`vaultgen grant {secret} {machine}`"),
    })
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

/// A secret that the user of another unit can read, by whichever of its names.
fn readable_by_others(
    SecretUse { secret, unit, user, .. }: &SecretUse,
    vault: &NodeVault,
    system: &System,
) -> Option<Problem> {
    let faces = faces(vault, secret);
    let is_for = |name: &str| {
        name == ROOT
            || system
                .secrets
                .iter()
                .any(|need| need.value.user.as_str() == name && faces.contains(&need.value.secret))
    };
    let others: Vec<(&String, &str, Vec<&str>)> = system
        .units
        .keys()
        .filter_map(|unit| user_of(unit, system))
        .filter(|(_, user, _)| !is_for(user))
        .collect();
    faces.iter().find_map(|face| {
        let served = Served::find(vault, face).filter(|served| !served.is_public())?;
        let (other, reader, _) =
            others.iter().find(|(_, user, groups)| served.is_readable_by(user, groups))?;
        let problem = Problem::new(format!(
            "`{secret}` is for {unit}, and {other} could read `{face}` too, as `{reader}`"
        ));
        let help = format!(
            "write owner = \"{user}\" or \"root\", its group and mode = \"0400\" for `{face}` in vault.toml"
        );
        Some(problem.about(MODULE, "source").help(help))
    })
}

/// A unit, whom it runs as, and the groups that it is in.
fn user_of<'a>(unit: &'a String, system: &'a System) -> Option<(&'a String, &'a str, Vec<&'a str>)> {
    let file = &system.units[unit].value.file;
    let user = *file.get("Service", "User").last()?;
    let mut groups = file.get("Service", "Group");
    groups.extend(file.get("Service", "SupplementaryGroups").into_iter().flat_map(str::split_whitespace));
    let known = system.users.iter().find(|(name, _)| name.as_str() == user);
    groups.extend(known.into_iter().flat_map(|(_, by)| by.value.groups.iter().map(UserName::as_str)));
    Some((unit, user, groups))
}

fn local_ca_for(machine: &str) -> String {
    format!("`vaultgen machine add {machine} --local-ca`")
}

fn how_to_make(secret: &SecretName, machine: &str) -> String {
    let name = secret.as_str();
    let base = name.rsplit('/').next().unwrap_or(name);
    match name.split('/').next() {
        Some("passwords") => format!("`vaultgen password {}`", base.split('.').next().unwrap_or(base)),
        Some("certs") if base.starts_with("local-ca-") => local_ca_for(machine),
        Some("certs") => format!(
            "`vaultgen certs {}`",
            base.trim_end_matches(".pem").trim_end_matches("-key").trim_end_matches("-cert")
        ),
        _ => "`vaultgen init` makes what is missing of an Odoo vault".to_owned(),
    }
}
