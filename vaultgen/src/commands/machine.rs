//! `vaultgen machine`: the machines that serve the vault.

use std::{fs, path::PathBuf};

use clap::{ArgGroup, ValueEnum};
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, Identities, Recipient, SecretName, Timestamp, Verified, policy::GroupKind, profile::Profile,
    recipient::RecipientError,
};

use crate::{
    cli::Common,
    commands,
    vault::{self, OpenVault},
};

/// Show and change the machines that serve the vault.
///
/// A machine is a recipient with a profile that says which secrets it gets. An odoo-box gets the
/// login hashes, the passwords of Odoo's and PgAdmin's web logins and the certificates with their
/// keys; never a CA key, a password of the operating system, or the SSH key.
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
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        key: KeySource,
        /// What it gets
        #[arg(long, value_enum, default_value_t = ProfileName::OdooBox)]
        profile: ProfileName,
    },
    /// Remove a machine from the policy and from every audience
    Remove {
        /// Its name
        name: String,
    },
    /// Give a machine a new key; what the old one could read is listed
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

/// Where the machine's public key comes from. Without either a new identity is made.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct KeySource {
    /// Its public key, age1…, as the machine printed it
    #[arg(long, value_name = "KEY")]
    recipient: Option<Recipient>,
    /// Its SSH host key, such as /etc/ssh/ssh_host_ed25519_key.pub of the machine
    #[arg(long, value_name = "FILE")]
    ssh_host_key: Option<PathBuf>,
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
        Action::List => list(&vault::read(common)?, common.quiet),
        Action::Add { name, key, profile } => add(&open()?, name, key, (*profile).into(), common)?,
        Action::Remove { name } => remove(&open()?, name, common)?,
        Action::Replace { name, key, .. } => replace(&open()?, name, key, common)?,
    }
    Ok(())
}

fn list(vault: &Verified, quiet: bool) {
    for (name, group) in vault.policy().groups() {
        let GroupKind::Machine(profile) = &group.kind else { continue };
        commands::say(quiet, &format!("{name}  {}", profile.as_deref().unwrap_or(Profile::None.name())));
        for key in &group.keys {
            commands::say(quiet, &format!("  {key}"));
        }
    }
}

fn add(
    open: &OpenVault,
    name: &str,
    key: &KeySource,
    profile: Profile,
    common: &Common,
) -> miette::Result<()> {
    let policy = open.vault.policy();
    if policy.groups().contains_key(name) {
        return Err(MachineError::Taken(name.to_owned()).into());
    }
    let mut change = open.change()?;
    let key = MachineKey::of(name, key)?;
    change.policy().add_machine(name, key.recipient(), profile.name());
    key.put_file(&mut change);
    let secrets = open.vault.lock().secrets.keys();
    let granted: Vec<&SecretName> =
        secrets.filter(|secret| profile.includes(secret, policy.secret(secret).kind)).collect();
    for secret in &granted {
        change.policy().add_to_audience(secret, &policy.secret(secret).groups, name);
    }
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    for secret in granted {
        commands::say(common.quiet, &format!("  {secret}"));
    }
    key.say_what_to_do(name, common);
    Ok(())
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
    let key = MachineKey::of(name, key)?;
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

/// The key of a machine: its own public key, or an identity that we make for it.
enum MachineKey {
    Its(Recipient),
    Ours { recipient: Recipient, identity: Identities, file: String },
}

impl MachineKey {
    fn of(name: &str, source: &KeySource) -> Result<Self, MachineError> {
        if let Some(recipient) = &source.recipient {
            return Ok(Self::Its(recipient.clone()));
        }
        if let Some(path) = &source.ssh_host_key {
            let text =
                fs::read_to_string(path).map_err(|error| MachineError::Read { path: path.clone(), error })?;
            let key = text.trim().parse();
            return key.map(Self::Its).map_err(|error| MachineError::HostKey { path: path.clone(), error });
        }
        // The name becomes a file's: it must be one part of a path, as a secret's name has them.
        let file = format!("machines/{name}.key");
        let bad_name = || MachineError::Name(name.escape_default().to_string());
        if name.contains('/') || file.parse::<SecretName>().is_err() {
            return Err(bad_name());
        }
        let identity = Identities::generate();
        let recipient = identity.recipients().pop_first().ok_or_else(bad_name)?;
        Ok(Self::Ours { recipient, identity, file })
    }

    fn recipient(&self) -> &Recipient {
        match self {
            Self::Its(recipient) | Self::Ours { recipient, .. } => recipient,
        }
    }

    /// An identity that we made goes into a file that Git ignores.
    fn put_file(&self, change: &mut Change) {
        if let Self::Ours { identity, file, .. } = self {
            change.put_private_file(file, identity.to_file(Timestamp::now()));
        }
    }

    fn say_what_to_do(&self, name: &str, common: &Common) {
        if let Self::Ours { file, .. } = self {
            let path = common.vault.join(file);
            let note = format!("move {} to /etc/age.key of {name}, mode 0400, owned by root", path.display());
            commands::say(common.quiet, &note);
        }
    }
}

/// Why the machines were not changed.
#[derive(Debug, Error, Diagnostic)]
enum MachineError {
    #[error("a group or machine is called {0} already")]
    #[diagnostic(help(
        "see them with `vaultgen recipients list`; a new key for a machine: `vaultgen machine replace`"
    ))]
    Taken(String),
    #[error("no machine is called {0}")]
    #[diagnostic(help("see them with `vaultgen machine list`"))]
    Unknown(String),
    #[error("\"{0}\" cannot be the name of a machine")]
    #[diagnostic(help("use ASCII letters, digits and . _ -, such as web-1"))]
    Name(String),
    #[error("{path}")]
    #[diagnostic(help("name the public half, such as ssh_host_ed25519_key.pub, copied from the machine"))]
    Read {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{path}: {error}")]
    HostKey {
        path: PathBuf,
        #[diagnostic_source]
        error: RecipientError,
    },
}
