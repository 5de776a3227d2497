//! Where the operator keeps things.

use std::{env, path::PathBuf};

/// The user's configuration, as the XDG Base Directory Specification has it.
#[must_use]
pub fn configuration() -> Option<PathBuf> {
    absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))
}

/// The user's SSH key (ssh(1), FILES).
#[must_use]
pub fn ssh_key() -> Option<PathBuf> {
    Some(absolute("HOME")?.join(".ssh").join("id_ed25519"))
}

fn absolute(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}
