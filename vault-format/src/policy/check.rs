//! The meaning of `vault.toml`: names resolved, permissions bounded, nothing left open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use toml::Spanned;

use super::{
    Access, Action, Group, GroupKind, Kind, Mode, Policy, PolicyError, Rotation, SecretPolicy,
    TemplatePolicy, View,
    audience::Audiences,
    error::Fault,
    raw::{self, KeysKind},
    services_within, tables,
};
use crate::{
    SecretName,
    name::{below_files, path_order},
};

/// Most bytes of a policy: some 100,000 secrets with a table each.
pub const MAX_BYTES: usize = 1 << 24;

const VERSION: u32 = 1;
const ROOT: &str = "root";

pub(super) fn policy(text: &str) -> Result<Policy, PolicyError> {
    let check = || -> Result<Policy, Fault> {
        if text.len() > MAX_BYTES {
            let help = "let groups and [defaults] say what many secrets have in common".to_owned();
            let message = "the policy is longer than 16 MiB".to_owned();
            return Err(Fault { span: None, message, help: Some(help) });
        }
        no_private_key(text)?;
        // What is wrong is told with its place, which only the parser of TOML knows.
        match tables::read(text).and_then(|raw| meaning(&raw).ok()) {
            Some(policy) => Ok(policy),
            None => meaning(&toml::from_str(text)?),
        }
    };
    check().map_err(|fault| fault.in_text(text))
}

fn meaning(raw: &raw::Policy) -> Result<Policy, Fault> {
    version(&raw.version)?;
    let audiences = Audiences::resolve(raw)?;
    let defaults = defaults(&raw.defaults, &audiences)?;
    signers(raw)?;
    let secrets = secrets(raw, &defaults, &audiences)?;
    let groups = groups(raw, &audiences);
    let mut policy = Policy { groups, secrets, defaults, views: BTreeMap::new(), templates: BTreeMap::new() };
    policy.views = views(raw, &policy)?;
    policy.templates = templates(raw, &policy, &audiences)?;
    one_spelling_per_path(raw)?;
    Ok(policy)
}

/// The policy is public. The line is named and not shown: it would be in a log next.
fn no_private_key(text: &str) -> Result<(), Fault> {
    const PRIVATE: [&str; 3] = ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY-----"];
    let upper = text.to_ascii_uppercase();
    match PRIVATE.iter().filter_map(|private| upper.find(private)).min() {
        None => Ok(()),
        Some(at) => Err(Fault {
            span: None,
            message: format!(
                "a private key stands in line {} of vault.toml",
                upper[..at].matches('\n').count() + 1
            ),
            help: Some(
                "write the public key, and replace the private one: it was in a public file".to_owned(),
            ),
        }),
    }
}

fn version(version: &Spanned<u32>) -> Result<(), Fault> {
    if *version.get_ref() == VERSION {
        return Ok(());
    }
    Err(Fault::at(version.span(), format!("this is not version {VERSION} of the policy"))
        .help("write version = 1, or use a newer odbox"))
}

/// Every name of an audience with what it stands for.
fn groups(raw: &raw::Policy, audiences: &Audiences) -> BTreeMap<String, Group> {
    let kind = |group: &raw::Group| match group {
        raw::Group::Members(_) => GroupKind::Several,
        raw::Group::Keys(table) => match table.kind {
            KeysKind::Person => GroupKind::Person,
            KeysKind::Recovery => GroupKind::Recovery,
        },
    };
    let people = raw.recipients.iter().map(|(name, group)| (name.get_ref(), kind(group)));
    let machines = raw
        .machines
        .iter()
        .map(|(name, machine)| (name.get_ref(), GroupKind::Machine(machine.profile.clone())));
    let named = people.chain(machines);
    named.map(|(name, kind)| (name.clone(), Group { kind, keys: audiences.keys_of(name) })).collect()
}

fn signers(raw: &raw::Policy) -> Result<(), Fault> {
    for key in raw.signers.values() {
        ssh_key::PublicKey::from_openssh(key.get_ref()).map_err(|_| {
            Fault::at(key.span(), "this is no SSH public key")
                .help("write it as in a .pub file: ssh-ed25519 AAAA…")
        })?;
    }
    Ok(())
}

/// The keys of a table that say who may read, and what holds where one is left out.
struct AccessKeys<'a> {
    owner: Option<&'a Spanned<String>>,
    group: Option<&'a Spanned<String>>,
    mode: Option<&'a Spanned<String>>,
    world_readable: bool,
    services: Option<&'a [Spanned<String>]>,
}

impl AccessKeys<'_> {
    fn over(&self, base: &Access) -> Result<Access, Fault> {
        Ok(Access {
            owner: account(self.owner, &base.owner)?,
            group: account(self.group, &base.group)?,
            mode: self.mode.map_or(Ok(base.mode), |mode| checked_mode(mode, self.world_readable))?,
            services: self.services.map_or_else(|| Ok(Arc::clone(&base.services)), services)?,
        })
    }
}

macro_rules! access_keys {
    ($table:expr, $services:expr) => {
        AccessKeys {
            owner: $table.owner.as_ref(),
            group: $table.group.as_ref(),
            mode: $table.mode.as_ref(),
            world_readable: $table.world_readable,
            services: $services,
        }
    };
}

fn checked_mode(text: &Spanned<String>, world_readable: bool) -> Result<Mode, Fault> {
    let mode: Mode = text.get_ref().parse().map_err(|error: super::ModeError| {
        Fault::at(text.span(), error.to_string()).help("write mode = \"0400\"")
    })?;
    if mode.is_world_readable() && !world_readable {
        return Err(Fault::at(text.span(), "every user of the machine could read this file")
            .help("write \"0440\" or less, or add world-readable = true if that is meant"));
    }
    Ok(mode)
}

/// A user or group: a name as useradd(8) allows it, or a number.
fn account(name: Option<&Spanned<String>>, default: &str) -> Result<String, Fault> {
    let Some(name) = name else { return Ok(default.to_owned()) };
    let text = name.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@\\$".contains(c);
    if text.is_empty() || text.len() > 255 || text.starts_with('-') || !text.chars().all(plain) {
        return Err(Fault::at(name.span(), "this cannot be the name of a user or group")
            .help("write a name such as \"nginx\", or a number in quotes such as \"101\""));
    }
    Ok(text.clone())
}

fn services(units: &[Spanned<String>]) -> Result<Arc<BTreeSet<String>>, Fault> {
    units.iter().map(|unit| unit_name(unit, unit.get_ref())).collect::<Result<_, _>>().map(Arc::new)
}

/// A unit name of systemd.unit(5).
fn unit_name(at: &Spanned<String>, name: &str) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let typed = [".service", ".socket", ".timer", ".scope", ".slice", ".target", ".mount", ".path"]
        .iter()
        .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix));
    if !typed || name.len() > 255 || name.starts_with('-') || !name.chars().all(plain) {
        return Err(Fault::at(at.span(), "this is no systemd unit")
            .help("write its whole name, such as nginx.service"));
    }
    Ok(name.to_owned())
}

fn on_change(action: &Spanned<String>) -> Result<Action, Fault> {
    let known = action
        .get_ref()
        .split_once(' ')
        .filter(|(verb, _)| ["reload", "restart", "try-restart"].contains(verb));
    let Some((verb, unit)) = known else {
        return Err(Fault::at(action.span(), "this is no action on a unit")
            .help("write \"reload UNIT\", \"restart UNIT\" or \"try-restart UNIT\""));
    };
    Ok(Action { verb: verb.to_owned(), unit: unit_name(action, unit)? })
}

fn defaults(raw: &raw::Defaults, audiences: &Audiences) -> Result<SecretPolicy, Fault> {
    let root_only = Access {
        owner: ROOT.to_owned(),
        group: ROOT.to_owned(),
        mode: Mode::OWNER_ONLY,
        services: Arc::default(),
    };
    let groups = raw.audience.as_deref().unwrap_or_default();
    Ok(SecretPolicy {
        kind: Kind::Opaque,
        description: None,
        groups: names(groups),
        audience: audiences.of(groups)?,
        access: access_keys!(raw, None).over(&root_only)?,
        from: None,
        rotation: Rotation::default(),
        on_change: Vec::new(),
    })
}

fn names(audience: &[Spanned<String>]) -> Vec<String> {
    audience.iter().map(|name| name.get_ref().clone()).collect()
}

fn secret_name(name: &Spanned<String>) -> Result<SecretName, Fault> {
    name.get_ref().parse().map_err(|error: crate::name::NameError| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        Fault { span: Some(name.span()), message: error.to_string(), help }
    })
}

fn secrets(
    raw: &raw::Policy,
    defaults: &SecretPolicy,
    audiences: &Audiences,
) -> Result<BTreeMap<SecretName, SecretPolicy>, Fault> {
    let mut secrets = BTreeMap::new();
    for (name, table) in &raw.secret {
        let audience = match &table.audience {
            Some(list) => audiences.of(list)?,
            None => audiences.again(defaults, name)?,
        };
        if audience.is_empty() {
            return Err(Fault::at(name.span(), format!("nobody could decrypt \"{}\"", name.get_ref()))
                .help("name a group or machine that has a key: audience = [\"ops\"]"));
        }
        let policy = SecretPolicy {
            kind: table.kind,
            description: table.description.clone(),
            groups: table.audience.as_deref().map_or_else(|| defaults.groups.clone(), names),
            audience,
            access: access_keys!(table, table.services.as_deref()).over(&defaults.access)?,
            from: table.from.as_ref().map(secret_name).transpose()?,
            rotation: Rotation::of(table)?,
            on_change: table.on_change.iter().flatten().map(on_change).collect::<Result<_, _>>()?,
        };
        secrets.insert(secret_name(name)?, policy);
    }
    Ok(secrets)
}

fn views(raw: &raw::Policy, policy: &Policy) -> Result<BTreeMap<SecretName, View>, Fault> {
    let mut views = BTreeMap::new();
    for (name, table) in &raw.view {
        let of = secret_name(&table.of)?;
        let source = &policy.secret(&of).access;
        let access = access_keys!(table, table.services.as_deref()).over(source)?;
        // Inherited from the source: the same, and not to be compared 100,000 times.
        if !Arc::ptr_eq(&access.services, &source.services) {
            narrower(name, &access.services, &source.services)?;
        }
        views.insert(secret_name(name)?, View { of, access });
    }
    Ok(views)
}

/// A view may be opened by no service that may not open its source.
fn narrower(
    name: &Spanned<String>,
    services: &BTreeSet<String>,
    source: &BTreeSet<String>,
) -> Result<(), Fault> {
    if services_within(services, source) {
        return Ok(());
    }
    let allowed: Vec<_> = source.iter().map(String::as_str).collect();
    Err(Fault::at(
        name.span(),
        format!("\"{}\" would be open to more services than its source", name.get_ref()),
    )
    .help(format!("allow some of: {}", allowed.join(", "))))
}

fn templates(
    raw: &raw::Policy,
    policy: &Policy,
    audiences: &Audiences,
) -> Result<BTreeMap<SecretName, TemplatePolicy>, Fault> {
    let mut templates = BTreeMap::new();
    for (name, table) in &raw.template {
        let source: SecretName = secret_name(&table.source)?;
        if !source.as_str().starts_with("templates/") {
            return Err(Fault::at(table.source.span(), "a template's source lies below templates/")
                .help("move it there, and write source = \"templates/NAME\""));
        }
        let audience = match &table.audience {
            Some(list) => audiences.of(list)?,
            None => audiences.again(&policy.defaults, name)?,
        };
        let Access { owner, group, mode, services } =
            access_keys!(table, table.services.as_deref()).over(&policy.defaults.access)?;
        let services = table.services.is_some().then_some(services);
        let groups = table.audience.as_deref().map_or_else(|| policy.defaults.groups.clone(), names);
        let template = TemplatePolicy { source, groups, audience, owner, group, mode, services };
        templates.insert(secret_name(name)?, template);
    }
    Ok(templates)
}

/// Paths of the mount must differ in more than case, and none may be a folder of another.
fn one_spelling_per_path(raw: &raw::Policy) -> Result<(), Fault> {
    let mut names: Vec<_> = raw.secret.keys().chain(raw.view.keys()).chain(raw.template.keys()).collect();
    names.sort_by_key(|name| name.span().start);
    let mut seen: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in names {
        if let Some(other) = seen.insert(path_order(name.get_ref()), name) {
            return Err(Fault::at(
                name.span(),
                format!("\"{}\" stands for the same path as \"{}\"", name.get_ref(), other.get_ref()),
            )
            .help("give one of them another name; case alone does not tell two files apart everywhere"));
        }
    }
    if let Some((name, file)) = below_files(&seen).next() {
        return Err(Fault::at(
            name.span(),
            format!("\"{}\" lies below \"{}\", which is a file", name.get_ref(), file.get_ref()),
        )
        .help("give one of them another name"));
    }
    Ok(())
}
