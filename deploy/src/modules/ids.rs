//! The numbers of the box's users and groups: fixed, so that data on a disk belongs to the same ones after the
//! machine was made anew.

use crate::value::UserName;

/// A user of the box: its name and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// The name.
    pub name: &'static str,
    /// The number.
    pub number: u32,
}

impl Id {
    /// The name, as users are named.
    #[must_use]
    pub fn user(self) -> UserName {
        UserName::known(self.name)
    }
}

/// Odoo and its tools.
pub const ODOO: Id = Id { name: "odoo", number: 801 };
/// Nginx.
pub const NGINX: Id = Id { name: "nginx", number: 802 };
/// `PgAdmin`.
pub const PGADMIN: Id = Id { name: "pgadmin", number: 803 };
/// PostgreSQL.
pub const POSTGRES: Id = Id { name: "postgres", number: 804 };
/// The ACME server of this machine.
pub const LOCAL_CA: Id = Id { name: "local-ca", number: 805 };
/// Who asks for certificates.
pub const ACME: Id = Id { name: "acme", number: 806 };
/// The server of the vault.
pub const VAULTD: Id = Id { name: "vaultd", number: 807 };
/// Who asks an instance's metadata for the host name.
pub const HOST_NAME: Id = Id { name: "host-name", number: 815 };
/// The administrator, whose name is an option.
pub const ADMIN: u32 = 1000;
