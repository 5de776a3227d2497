//! Which unit gets which secret, how, and why.

use vault_format::SecretName;

use crate::value::UserName;

/// How a unit gets a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handing {
    /// systemd reads it as root and gives the unit a copy of this name, made when the unit starts.
    Credential(&'static str),
    /// The unit opens it at its path, as its own user.
    Path,
}

/// One secret for one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// The path in the mount: a secret, a view or a template.
    pub secret: SecretName,
    /// The unit that gets it.
    pub unit: &'static str,
    /// The user that the unit runs as.
    pub user: UserName,
    /// How it gets it.
    pub handing: Handing,
    /// What for.
    pub why: &'static str,
}
