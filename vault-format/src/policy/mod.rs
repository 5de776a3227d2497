//! `vault.toml`: who may decrypt, who may read, and on which machine.
//!
//! [`Policy::parse`] takes the text, `raw` gives it its shape (`tables` in a hurry), `check` its meaning, and
//! `edit` changes it without losing comments. Every error shows the line and what to write
//! instead.

mod audience;
mod check;
mod edit;
mod error;
mod merge;
mod mode;
mod raw;
mod rotation;
mod secret_table;
mod tables;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use check::MAX_BYTES;
pub use edit::PolicyEditor;
pub use error::PolicyError;
pub use merge::merge;
pub use mode::{Mode, ModeError};
pub use rotation::{Expiry, ExpiryError, Rotation};
pub use secret_table::SecretTable;
use serde::{Deserialize, Serialize};
pub use template::TemplatePolicy;
pub(crate) use template::services_within;

use crate::{Recipient, SecretName};

/// What a secret is, which decides what is checked and generated for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A password in plain text.
    Password,
    /// A crypt(5) hash of a password.
    PasswordHash,
    /// An X.509 certificate or chain in PEM.
    Certificate,
    /// The private key of a certificate in PEM.
    PrivateKey,
    /// An OpenSSH private key.
    SshKey,
    /// Anything else.
    #[default]
    Opaque,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Password, Self::PasswordHash, Self::Certificate, Self::PrivateKey, Self::SshKey, Self::Opaque];

    /// How the policy writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PasswordHash => "password-hash",
            Self::Certificate => "certificate",
            Self::PrivateKey => "private-key",
            Self::SshKey => "ssh-key",
            Self::Opaque => "opaque",
        }
    }
}

/// Who may read a file of the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Owner: a user's name or number.
    pub owner: String,
    /// Group: a group's name or number.
    pub group: String,
    /// Permission bits, read only.
    pub mode: Mode,
    /// The systemd units whose processes may open it; empty for no such rule.
    /// Shared, since each view has those of its source.
    pub services: Arc<BTreeSet<String>>,
}

/// The policy of one secret, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPolicy {
    /// What it is.
    pub kind: Kind,
    /// What it is for, in its author's words.
    pub description: Option<String>,
    /// The groups and machines that its audience names, as written.
    pub groups: Vec<String>,
    /// The public keys that can decrypt it.
    pub audience: BTreeSet<Recipient>,
    /// Who may read it where it is served.
    pub access: Access,
    /// The secret that it is derived from.
    pub from: Option<SecretName>,
    /// When its value is to be changed.
    pub rotation: Rotation,
    /// What to do where it is served when its value changed.
    pub on_change: Vec<Action>,
}

/// What to do with a systemd unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Action {
    /// `reload`, `restart` or `try-restart`.
    pub verb: String,
    /// The whole name of a unit, such as `nginx.service`.
    pub unit: String,
}

/// A second path for a secret, with an access of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The secret that it shows.
    pub of: SecretName,
    /// Who may read it.
    pub access: Access,
}

/// A name that an audience may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it stands for.
    pub kind: GroupKind,
    /// All public keys that it stands for, through however many groups.
    pub keys: BTreeSet<Recipient>,
}

/// What the name of an audience stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// The keys of one person.
    Person,
    /// A key that is kept offline.
    Recovery,
    /// Several people and groups.
    Several,
    /// A machine, with the profile that says what it gets.
    Machine(Option<String>),
}

/// A parsed and checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    groups: BTreeMap<String, Group>,
    secrets: BTreeMap<SecretName, SecretPolicy>,
    defaults: SecretPolicy,
    views: BTreeMap<SecretName, View>,
    templates: BTreeMap<SecretName, TemplatePolicy>,
}

impl Policy {
    /// Parses and checks the text of a `vault.toml`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        check::policy(text)
    }

    /// Groups and machines by name: what an audience may name.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<String, Group> {
        &self.groups
    }

    /// The policy of a secret. One without a table has the defaults.
    #[must_use]
    pub fn secret(&self, name: &SecretName) -> &SecretPolicy {
        self.secrets.get(name).unwrap_or(&self.defaults)
    }

    /// The secrets that have a table of their own.
    pub fn tables(&self) -> impl Iterator<Item = &SecretName> {
        self.secrets.keys()
    }

    /// The views, by their path in the mount.
    #[must_use]
    pub fn views(&self) -> &BTreeMap<SecretName, View> {
        &self.views
    }

    /// The templates, by their path in the mount.
    #[must_use]
    pub fn templates(&self) -> &BTreeMap<SecretName, TemplatePolicy> {
        &self.templates
    }
}

#[cfg(test)]
mod tests;
