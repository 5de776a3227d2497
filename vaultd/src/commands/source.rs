//! The flags that say what to serve and whom to trust, joined with `vaultd.toml`.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use crate::configuration::Configuration;
use crate::monitor::settings::Settings;
use crate::state;

/// What to serve, and whom to trust.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Vault to serve [default: /etc/vaultd/vault]
    #[arg(long, value_name = "DIR")]
    vault: Option<PathBuf>,

    /// Private key that decrypts the vault; may be given several times [default: /etc/age.key]
    #[arg(long = "identity", value_name = "FILE")]
    identities: Vec<PathBuf>,

    /// Signers whose vaults this machine serves [default: /etc/vaultd/allowed_signers]
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,

    /// Serve a vault of Odoo Box, which nobody signed: nothing of it is verified
    #[arg(long, conflicts_with = "allowed_signers")]
    unsigned: bool,

    /// Serve the snake-oil vault, whose keys everybody knows
    #[arg(long)]
    allow_snakeoil: bool,

    /// Go on, weaker, where memory cannot be locked against swapping
    #[arg(long)]
    allow_swappable: bool,

    /// Serve a vault in which nothing is for this machine, as an empty mount
    #[arg(long)]
    allow_empty: bool,

    /// Settings for what no flag says [default: /etc/vaultd/vaultd.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where vaultd keeps what it has accepted
    #[arg(long, value_name = "DIR", default_value = state::ROOT, hide = true)]
    state: PathBuf,
}

impl Source {
    /// These flags and those `others`, then the file, then the defaults.
    ///
    /// # Errors
    /// The file cannot be read or understood, or the current folder is not known.
    pub(super) fn settings(&self, others: Configuration) -> miette::Result<Settings> {
        let set = |flag: bool| flag.then_some(true);
        let flags = Configuration {
            vault: self.vault.clone(),
            identity: Some(self.identities.clone()).filter(|given| !given.is_empty()),
            allowed_signers: self.allowed_signers.clone(),
            unsigned: set(self.unsigned),
            allow_snakeoil: set(self.allow_snakeoil),
            allow_swappable: set(self.allow_swappable),
            allow_empty: set(self.allow_empty),
            ..others
        };
        let file = Configuration::find(self.config.as_deref())?;
        Settings::of(flags.or(file), self.state.clone()).into_diagnostic()
    }
}
