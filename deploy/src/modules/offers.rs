//! What modules tell each other, so that none of them has to know another one.

use crate::value::{
    AbsolutePath, Calendar, Domain, Email, HttpsUrl, Located, MachineName, PostgresName, UserName,
};

/// What the modules of a node offer.
#[derive(Debug, Default)]
pub struct Offers {
    /// The vault that this machine serves.
    pub vault: Option<VaultOffer>,
    /// An ACME server on this machine.
    pub acme: Option<AcmeServer>,
    /// Odoo's data.
    pub odoo: Option<OdooData>,
    /// The folders with addons of Odoo, to be read.
    pub addons: Vec<Located>,
    /// Who administers the machine, where that is said.
    pub admin_email: Option<Email>,
    /// The user who administers the machine.
    pub admin_user: Option<UserName>,
    /// The name for which the web server has a certificate of the vault.
    pub vault_certificate: Option<Domain>,
}

/// The vault of a node, and where it is served.
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

/// An ACME server (RFC 8555).
#[derive(Clone, Debug)]
pub struct AcmeServer {
    /// The URL of its directory.
    pub directory: HttpsUrl,
    /// The unit that is ready when it answers.
    pub unit: &'static str,
    /// Where the certificate is by which its own is verified, once that unit is ready.
    pub root: AbsolutePath,
    /// When whoever has a certificate of it is to ask for the next one.
    pub renewal: Calendar,
}

/// Where Odoo keeps its data.
#[derive(Clone, Debug)]
pub struct OdooData {
    /// The unit of the server.
    pub unit: &'static str,
    /// The user it runs as.
    pub user: UserName,
    /// Its role in PostgreSQL.
    pub role: PostgresName,
    /// Its database.
    pub database: PostgresName,
    /// The folder of the file store of that database.
    pub file_store: AbsolutePath,
    /// The unit that gives everybody his rights to the database.
    pub database_unit: &'static str,
}
