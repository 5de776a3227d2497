//! What the flags of `vaultgen add` say about the new secret, for the policy.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    SecretName, Verified,
    policy::{Expiry, Kind, Mode, SecretTable},
};

/// What the policy says of a secret, as flags.
#[derive(Debug, clap::Args)]
pub struct TableArgs {
    /// What it is; a certificate, key or hash must be one [default: opaque]
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// A group or machine that can decrypt it; may be given several times [default: as in the policy]
    #[arg(long, value_name = "GROUP")]
    audience: Vec<String>,
    /// The user who may read it where it is served [default: as in the policy]
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// The group who may, if the mode lets it [default: the one with the owner's name]
    #[arg(long)]
    group: Option<String>,
    /// Its permission bits, such as 0440; 0444 for certificates only, and their default
    #[arg(long)]
    mode: Option<Mode>,
    /// A systemd unit whose processes may open it; may be given several times [default: all]
    #[arg(long = "service", value_name = "UNIT")]
    services: Vec<String>,
    /// What to do when its value changed, such as "reload nginx.service"; may be given several times
    #[arg(long, value_name = "ACTION")]
    on_change: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The day from which it is of no use, such as 2027-03-01
    #[arg(long, value_name = "DATE")]
    expires: Option<Expiry>,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    let kind = |text: String| Kind::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or_default();
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).map(kind)
}

impl TableArgs {
    /// What the new secret is: as the flag says, or else as the policy does.
    pub fn kind(&self, vault: &Verified, name: &SecretName) -> Kind {
        self.kind.unwrap_or(vault.policy().secret(name).kind)
    }

    /// Whether any flag was given.
    pub fn says_something(&self) -> bool {
        let Self { kind, audience, owner, group, mode, services, on_change, description, expires } = self;
        let lists = [audience, services, on_change];
        let texts = [owner, group, description];
        kind.is_some()
            || mode.is_some()
            || expires.is_some()
            || lists.iter().any(|list| !list.is_empty())
            || texts.iter().any(|text| text.is_some())
    }

    /// The table of a secret of this kind.
    ///
    /// # Errors
    ///
    /// If everybody could read what is no certificate.
    pub fn table(&self, kind: Kind) -> Result<SecretTable, TooOpen> {
        let is_public = kind == Kind::Certificate;
        if self.mode.is_some_and(Mode::is_world_readable) && !is_public {
            return Err(TooOpen);
        }
        Ok(SecretTable {
            kind,
            description: self.description.clone().unwrap_or_default(),
            from: None,
            audience: self.audience.clone(),
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode,
            world_readable: is_public && self.mode.is_none_or(Mode::is_world_readable),
            services: self.services.clone(),
            on_change: self.on_change.clone(),
            expires: self.expires,
        })
    }
}

/// A secret for everybody.
#[derive(Debug, Error, Diagnostic)]
#[error("every user of the machine could read it with this mode")]
#[diagnostic(help(
    "write --mode 0440 or less; if that is meant, add it without and write world-readable = true into vault.toml"
))]
pub struct TooOpen;
