//! What modules tell each other, so that none of them has to know another one.

use crate::{
    value::{AbsolutePath, Calendar, Domain, Email, HttpsUrl, Located, PostgresName, UserName},
    vault::VaultOffer,
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
