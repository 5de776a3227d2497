//! Keys that are born on the machine.

use crate::value::UserName;

/// A private key that the machine makes for itself and keeps on its disk: the named exception to "no secret on a
/// disk", which `deploy check` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BornKey {
    /// The only one, beside root, who may read it.
    pub owner: UserName,
    /// What it is, and why it cannot come from the vault.
    pub why: &'static str,
}
