//! The command line: what `--help` says.

use std::{path::PathBuf, sync::OnceLock};

use clap::{Args, Parser, Subcommand};
use vault_format::Identities;

use crate::commands::{
    add, adopt, audience, audit, certs, completions, edit, git, graph, import, init, machine, merge,
    password, recipients, rekey, remove, revert, rotate, show, sign, signers, status, verify,
};

const EXIT_STATUS: &str = "Exit status: 0 done or clean, 1 failed or not sound, 2 wrong usage.";

/// Populate and encrypt a vault of passwords, hashes, certificates and keys that is safe in Git.
#[derive(Debug, Parser)]
#[command(name = "vaultgen", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    /// Without a verb it does what `init` does.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags that every verb has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common flags")]
pub struct Common {
    /// The vault's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = "vault")]
    pub vault: PathBuf,
    /// A file with an age identity, to decrypt with. Else VAULTGEN_IDENTITY, then DIR/age.key, then
    /// ~/.config/odbox/age.key, then ~/.ssh/id_ed25519.
    #[arg(long = "identity", global = true, value_name = "FILE")]
    pub identities: Vec<PathBuf>,
    /// The SSH key to sign with, or the public half of one that an agent holds. Else VAULTGEN_SIGN_KEY, then
    /// DIR/signing.key, then ~/.config/odbox/signing.key, then ~/.ssh/id_ed25519.
    #[arg(long, global = true, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// Propose a change without signing it: it counts once a signer runs `vaultgen sign`.
    #[arg(long, global = true)]
    pub no_sign: bool,
    /// Never ask: generate, or fail.
    #[arg(long, global = true)]
    pub batch: bool,
    /// Print the result as JSON: `verify`, `status`, `audit`, and each `list`.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing when all is well.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Whether `vault` was named, and is not the default.
    #[arg(skip)]
    pub names_vault: bool,
    /// The identities, once they were needed.
    #[arg(skip)]
    pub opened: OnceLock<Identities>,
}

impl Cli {
    /// Whether the verb has a result that can be printed as JSON.
    #[must_use]
    pub fn has_json(&self) -> bool {
        match &self.command {
            Some(Command::Machine(args)) => args.is_list(),
            Some(Command::Recipients(args)) => args.is_list(),
            Some(Command::Signers(args)) => args.is_list(),
            Some(Command::Audit(_) | Command::Status(_) | Command::Verify(_)) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Add(add::Args),
    Admin(password::AdminArgs),
    Adopt(adopt::Args),
    Audit(audit::Args),
    Certs(certs::Args),
    Completions(completions::Args),
    Edit(edit::Args),
    Git(git::Args),
    Grant(audience::GrantArgs),
    Graph(graph::Args),
    Import(import::Args),
    Init(init::Args),
    Machine(machine::Args),
    #[command(hide = true)]
    Man(completions::ManArgs),
    Merge(merge::Args),
    OdooAdmin(password::OdooAdminArgs),
    Password(password::Args),
    PgadminAdmin(password::PgadminAdminArgs),
    Recipients(recipients::Args),
    Rekey(rekey::Args),
    Remove(remove::Args),
    Revert(revert::Args),
    Revoke(audience::RevokeArgs),
    Root(password::RootArgs),
    Rotate(rotate::Args),
    Show(show::Args),
    Sign(sign::Args),
    Signers(signers::Args),
    Status(status::Args),
    Verify(verify::Args),
}
