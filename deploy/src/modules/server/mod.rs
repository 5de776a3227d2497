//! `server`: base, SSH, a firewall, and the service stack with PgAdmin.

mod firewall;
mod ssh;
#[cfg(test)]
mod tests;

use super::{Module, Registration, World};
use crate::{
    formats::Unwritable,
    system::{Contributor, File, System},
    value::AbsolutePath,
};

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
    fn contribute(&self, _: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        ssh::contribute(system)?;
        firewall::contribute(system);
        Ok(())
    }

    /// The rules let in what the modules opened, all of them.
    fn conclude(&self, _: &World<'_>, system: &System) -> Result<Vec<(AbsolutePath, File)>, Unwritable> {
        Ok(vec![firewall::rules(system.open_ports.keys().copied())])
    }
}
