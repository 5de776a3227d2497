//! What the module `vault` says of the vault of its node.

use crate::value::{AbsolutePath, Located, MachineName};

/// What a node says of its vault, and where it is served.
#[derive(Clone, Debug)]
pub struct VaultOffer {
    /// Where its folder is; none for the snake-oil vault.
    pub source: Option<Located>,
    /// Who may sign it; a file outside of it.
    pub signers: Option<Located>,
    /// The public key that root logs in with over SSH.
    pub root_ssh_key: Option<Located>,
    /// The public key that the administrator logs in with over SSH.
    pub admin_ssh_key: Option<Located>,
    /// What the machine is called in it; none for the node's name.
    pub machine: Option<MachineName>,
    /// Whether it is the snake-oil vault.
    pub snakeoil: bool,
    /// Where it is served.
    pub mount: AbsolutePath,
}
