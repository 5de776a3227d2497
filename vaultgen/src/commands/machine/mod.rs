//! `vaultgen machine`: the machines that serve the vault.

mod ask;
mod key;
mod local_ca;

use std::collections::BTreeSet;

use clap::{ArgGroup, ValueEnum};
use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;
use vault_format::{
    Recipient, SecretName, Verified,
    policy::{GroupKind, PolicyEditor},
    profile::Profile,
};

use self::key::{KeySource, MachineKey};
use crate::{
    authority,
    cli::Common,
    commands, json,
    vault::{self, OpenVault},
};

/// Show and change the machines that serve the vault.
///
/// A machine is a recipient with a profile that says which secrets it gets. An odoo-box gets the
/// login hashes, the passwords of Odoo's and PgAdmin's web logins, the certificates with their
/// keys and the templates that show these; never a CA key, a password of the operating system, or the SSH key.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the machines with their keys
    List,
    /// Add a machine, and encrypt what its profile names for it
    ///
    /// Unless a flag says which key it has, it gets a new identity in DIR/machines/NAME.key, to be moved to
    /// the machine's /etc/age.key. A machine that is there already can be given a local CA, and keeps all else.
    Add(AddArgs),
    /// Remove a machine from the policy and from every audience
    Remove {
        /// Its name
        name: String,
    },
    /// Give a machine a new key; what the old one could read is listed
    ///
    /// Unless a flag says which key it has, it gets a new identity, as with `add`. The old key counts as
    /// removed either way; --lost and --stolen are for you to have thought about it.
    #[command(group = ArgGroup::new("reason").required(true))]
    Replace {
        /// Its name
        name: String,
        /// The old key is lost, but nobody has it
        #[arg(long, group = "reason")]
        lost: bool,
        /// Somebody may have the old key
        #[arg(long, group = "reason")]
        stolen: bool,
        #[command(flatten)]
        key: KeySource,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Its name, such as web-1
    name: String,
    #[command(flatten)]
    key: KeySource,
    /// What it gets: odoo-box, what such a machine needs; none, nothing until `vaultgen grant` [default:
    /// odoo-box]
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Also make it a CA of its own below the vault's, which signs for its name and localhost only. `vaultgen
    /// rotate certs/local-ca-cert.pem` makes the next one
    #[arg(long)]
    local_ca: bool,
}

impl AddArgs {
    /// Whether nothing would change of a machine that is there, whose profile is this.
    fn change_nothing_of(&self, present: Option<&str>) -> Result<(), MachineError> {
        let name = self.name.clone();
        if self.key.is_given() {
            return Err(MachineError::KeepsKey(name));
        }
        let present = present.unwrap_or(Profile::None.name());
        match self.profile.map(Profile::from) {
            Some(profile) if profile.name() != present => {
                Err(MachineError::KeepsProfile { name, profile: present.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileName {
    OdooBox,
    None,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::OdooBox => Self::OdooBox,
            ProfileName::None => Self::None,
        }
    }
}

/// Lists, adds, removes or replaces.
///
/// # Errors
///
/// If the vault is not sound or trusted, the name is taken or unknown, or the change cannot be
/// made.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = || OpenVault::open(common, |_, _| false);
    match &args.action {
        Action::List => list(&vault::read(common)?, common)?,
        Action::Add(args) => add(args, common)?,
        Action::Remove { name } => remove(&open()?, name, common)?,
        Action::Replace { name, key, .. } => replace(&open()?, name, key, common)?,
    }
    Ok(())
}

impl Args {
    /// Whether it only lists.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.action, Action::List)
    }
}

/// All machines, as their JSON has them.
#[derive(Serialize)]
struct Machines<'a> {
    machines: Vec<Machine<'a>>,
}

#[derive(Serialize)]
struct Machine<'a> {
    name: &'a str,
    profile: &'a str,
    keys: &'a BTreeSet<Recipient>,
}

fn list(vault: &Verified, common: &Common) -> miette::Result<()> {
    let machines = vault.policy().groups().iter().filter_map(|(name, group)| {
        let GroupKind::Machine(profile) = &group.kind else { return None };
        let profile = profile.as_deref().unwrap_or(Profile::None.name());
        Some(Machine { name, profile, keys: &group.keys })
    });
    let machines = Machines { machines: machines.collect() };
    if common.json {
        return json::print(&machines);
    }
    for Machine { name, profile, keys } in machines.machines {
        commands::say(common.quiet, &format!("{name}  {profile}"));
        keys.iter().for_each(|key| commands::say(common.quiet, &format!("  {key}")));
    }
    Ok(())
}

fn add(args: &AddArgs, common: &Common) -> miette::Result<()> {
    let name = &args.name;
    let open = OpenVault::open(common, |secret, _| args.local_ca && authority::has(secret))?;
    let policy = open.vault.policy();
    match policy.groups().get(name).map(|group| &group.kind) {
        None => {}
        Some(GroupKind::Machine(profile)) if args.local_ca => {
            args.change_nothing_of(profile.as_deref())?;
            return local_ca::give(&open, name, common);
        }
        Some(_) => return Err(MachineError::Taken(name.to_owned()).into()),
    }
    let profile = Profile::from(args.profile.unwrap_or(ProfileName::OdooBox));
    let own = if args.local_ca { local_ca::make(&open.vault, name, common)?.into() } else { Vec::new() };
    let mut change = open.change()?;
    let key = MachineKey::of(name, &args.key, common)?;
    change.policy().add_machine(name, key.recipient(), profile.name());
    key.put_file(&mut change);
    let secrets = open.vault.lock().secrets.keys();
    let included = secrets.filter(|secret| profile.includes(secret, policy.secret(secret).kind)).cloned();
    let granted: BTreeSet<SecretName> =
        included.chain(own.iter().map(|secret| secret.name.clone())).collect();
    local_ca::describe(&own, change.policy());
    own.into_iter().for_each(|secret| change.put_secret(secret));
    for secret in &granted {
        change.policy().add_to_audience(secret, &policy.secret(secret).groups, name);
    }
    if profile.has_templates() {
        grant_templates(&open.vault, &granted, name, change.policy());
    }
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    for secret in granted {
        commands::say(common.quiet, &format!("  {secret}"));
    }
    key.say_what_to_do(name, common);
    Ok(())
}

/// A template that shows more than the machine gets is left out: the policy would not be sound.
fn grant_templates(vault: &Verified, granted: &BTreeSet<SecretName>, name: &str, policy: &mut PolicyEditor) {
    for (path, template) in vault.templates() {
        match template.secrets().into_iter().find(|secret| !granted.contains(*secret)) {
            None => policy.add_to_template(path, &vault.policy().templates()[path].groups, name),
            Some(secret) => {
                let note = format!(
                    "{name} does not get the template {path}: it shows {secret}, which is not granted"
                );
                commands::warn(&note);
            }
        }
    }
}

fn remove(open: &OpenVault, name: &str, common: &Common) -> miette::Result<()> {
    require_machine(open, name)?;
    let mut change = open.change()?;
    change.policy().remove_machine(name);
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

/// The audience stays; the old key counts as removed, so the lock remembers what it knows.
fn replace(open: &OpenVault, name: &str, key: &KeySource, common: &Common) -> miette::Result<()> {
    require_machine(open, name)?;
    let mut change = open.change()?;
    let key = MachineKey::of(name, key, common)?;
    for old in &open.vault.policy().groups()[name].keys {
        change.policy().remove_key(name, old);
    }
    change.policy().add_key(name, key.recipient());
    key.put_file(&mut change);
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    key.say_what_to_do(name, common);
    Ok(())
}

fn require_machine(open: &OpenVault, name: &str) -> Result<(), MachineError> {
    match open.vault.policy().groups().get(name).map(|group| &group.kind) {
        Some(GroupKind::Machine(_)) => Ok(()),
        _ => Err(MachineError::Unknown(name.to_owned())),
    }
}

/// Why the machines were not changed.
#[derive(Debug, Error, Diagnostic)]
enum MachineError {
    #[error("a group or machine is called {0} already")]
    #[diagnostic(help(
        "see them with `vaultgen recipients list`; a new key for a machine: `vaultgen machine replace`; a local \
         CA for one: `vaultgen machine add NAME --local-ca`"
    ))]
    Taken(String),
    #[error("{0} is in the vault already, and keeps its key")]
    #[diagnostic(help(
        "without a key, `vaultgen machine add {0} --local-ca` adds the local CA alone; a new key: `vaultgen \
         machine replace`"
    ))]
    KeepsKey(String),
    #[error("{name} is in the vault already, and keeps its profile, {profile}")]
    #[diagnostic(help(
        "leave --profile out; single secrets: `vaultgen grant NAME {name}` and `vaultgen revoke NAME {name}`"
    ))]
    KeepsProfile { name: String, profile: String },
    #[error("no machine is called {0}")]
    #[diagnostic(help("see them with `vaultgen machine list`"))]
    Unknown(String),
}
