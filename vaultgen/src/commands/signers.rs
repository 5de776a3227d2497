//! `vaultgen signers`: who may change the vault.

use std::path::PathBuf;

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;
use vault_format::{
    Timestamp,
    signers::{AllowedSigners, Signer},
    ssh,
};

use crate::{
    cli::Common,
    commands, json,
    vault::{self, OpenVault},
};

/// Show and change who may sign.
///
/// A removed signer stays in the list with an end date, so that stock tools can still name who
/// signed an old state; no new state of theirs is accepted.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the signers with their fingerprints
    List,
    /// Let somebody sign
    Add {
        /// A name for them, as `ssh-keygen -Y verify -I` takes it
        name: String,
        /// Their SSH public key file, such as id_ed25519.pub
        public_key: PathBuf,
    },
    /// No longer let somebody sign
    Remove {
        /// Their name
        name: String,
    },
}

/// Lists, adds or removes.
///
/// # Errors
///
/// If the vault is not sound or trusted, the signer is not there, or the change cannot be made.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = || OpenVault::open(common, |_, _| false);
    match &args.action {
        Action::List => list(vault::read(common)?.signers(), common)?,
        Action::Add { name, public_key } => add(&open()?, name, public_key, common)?,
        Action::Remove { name } => remove(&open()?, name, common)?,
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

/// All signers, as their JSON has them.
#[derive(Serialize)]
struct Signers<'a> {
    signers: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    fingerprint: String,
    removed: bool,
}

fn list(signers: &AllowedSigners, common: &Common) -> miette::Result<()> {
    let signers = signers.iter().map(|signer| Listed {
        name: signer.principal(),
        fingerprint: ssh::fingerprint(signer.key()),
        removed: signer.ended(),
    });
    let signers = Signers { signers: signers.collect() };
    if common.json {
        return json::print(&signers);
    }
    for Listed { name, fingerprint, removed } in signers.signers {
        let removed = if removed { "  (removed)" } else { "" };
        commands::say(common.quiet, &format!("{name}  {fingerprint}{removed}"));
    }
    Ok(())
}

fn add(open: &OpenVault, name: &str, path: &PathBuf, common: &Common) -> miette::Result<()> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SignersVerbError::Read { path: path.clone(), error })?;
    let key = ssh::parse_public_key(&text).map_err(|_| SignersVerbError::NotAKey(path.clone()))?;
    let signers = open.vault.signers();
    if signers.find(key.key_data()).is_some() || signers.iter().any(|signer| signer.principal() == name) {
        return Err(SignersVerbError::Present(name.to_owned()).into());
    }
    let signer = Signer::new(name, key)?;
    let fingerprint = ssh::fingerprint(signer.key());
    let mut change = open.change()?;
    change.policy().set_signer(&signer);
    change.put_signers(signers.clone().with(signer));
    if open.apply(change, common)?.is_none() {
        return Ok(());
    }
    commands::say(common.quiet, &format!("{name} may sign: {fingerprint}"));
    commands::say(common.quiet, "each machine trusts them only when its own allowed_signers names them");
    Ok(())
}

fn remove(open: &OpenVault, name: &str, common: &Common) -> miette::Result<()> {
    let signers = open.vault.signers();
    let signer = signers.iter().find(|signer| signer.principal() == name && !signer.ended());
    let key = signer.ok_or_else(|| SignersVerbError::Absent(name.to_owned()))?.key().key_data();
    let today = Timestamp::now().date_digits();
    let mut change = open.change()?;
    change.policy().remove_signer(name);
    change.put_signers(signers.clone().ending(key, &today));
    if open.apply(change, common)?.is_none() {
        return Ok(());
    }
    commands::say(
        common.quiet,
        &format!("{name} may no longer sign; take them out of each machine's signers too"),
    );
    Ok(())
}

/// Why the signers were not changed.
#[derive(Debug, Error, Diagnostic)]
enum SignersVerbError {
    #[error("{path}")]
    #[diagnostic(help("name their public key, such as id_ed25519.pub, and check that you may read it"))]
    Read {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("{0}: it is no SSH public key")]
    #[diagnostic(help("name the .pub file: one line such as ssh-ed25519 AAAA… COMMENT"))]
    NotAKey(PathBuf),
    #[error("a signer with the name {0}, or with this key, is in the list already")]
    #[diagnostic(help("see them with `vaultgen signers list`"))]
    Present(String),
    #[error("no signer is called {0}")]
    #[diagnostic(help("see them with `vaultgen signers list`"))]
    Absent(String),
}
