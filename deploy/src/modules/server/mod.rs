//! `server`: base, SSH, a firewall, and the service stack with PgAdmin.

use super::{Module, Registration, World};
use crate::{formats::Unwritable, system::Contributor};

/// This module.
pub const MODULE: Registration = Registration {
    name: "server",
    summary: "base, SSH, a firewall that lets in TCP 22, 80 and 443, and the service stack with PgAdmin",
    implies: "\
[base]

[service-stack]
odoo-db-name = \"odoo_martel_14\"
pgadmin = true
",
    read: |_| Box::new(Server),
};

struct Server;

impl Module for Server {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
