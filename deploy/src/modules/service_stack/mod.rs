//! `service-stack`: Odoo, PostgreSQL, Nginx, `PgAdmin`, and what keeps them in order.

mod addons;
mod autocerts;
mod database;
mod nginx;
mod odoo;
mod pgadmin;
mod postgresql;
mod sessions;

use self::addons::OdooAddons;
use super::{Module, OdooData, Offers, Registration, World};
use crate::{
    formats::Unwritable,
    node::Options,
    system::Contributor,
    value::{Count, Domain, Email, HttpsUrl, Minutes, Port, PostgresName},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "service-stack",
    summary: "Odoo with PostgreSQL behind Nginx, and PgAdmin",
    implies: "",
    read: |options| Box::new(ServiceStack::read(options)),
};

/// The options.
struct ServiceStack {
    domain: Domain,
    public_port: Port,
    autocerts: bool,
    acme_server: Option<HttpsUrl>,
    odoo_db_name: PostgresName,
    odoo_db_user: PostgresName,
    odoo_cpus: Count,
    odoo_session_timeout: Minutes,
    odoo_addons: OdooAddons,
    pgadmin: bool,
    pgadmin_admin_email: Email,
    pgadmin_db_name: PostgresName,
    pgadmin_db_user: PostgresName,
}

impl ServiceStack {
    fn read(options: &mut Options<'_>) -> Self {
        Self {
            domain: options.get("domain", Domain::known("localhost")),
            public_port: options.get("public-port", Port::new(443)),
            autocerts: options.get("autocerts", false),
            acme_server: options.optional("acme-server"),
            odoo_db_name: options.get("odoo-db-name", PostgresName::known("odoo")),
            odoo_db_user: options.get("odoo-db-user", PostgresName::known("odoo")),
            odoo_cpus: options.get("odoo-cpus", Count::new(1)),
            odoo_session_timeout: options.get("odoo-session-timeout", Minutes::new(5)),
            odoo_addons: OdooAddons::read(options),
            pgadmin: options.get("pgadmin", false),
            pgadmin_admin_email: options.get("pgadmin-admin-email", Email::known("admin@localhost")),
            pgadmin_db_name: options.get("pgadmin-db-name", PostgresName::known("pgadmin")),
            pgadmin_db_user: options.get("pgadmin-db-user", PostgresName::known("pgadmin")),
        }
    }
}

impl ServiceStack {
    /// How many processes answer requests ("Worker number calculation" in Odoo's manual).
    fn odoo_workers(&self) -> u32 {
        2 * self.odoo_cpus.get() + 1
    }

    /// How many processes of Odoo speak to the database: those, one for scheduled jobs, and long polling.
    fn odoo_processes(&self) -> u32 {
        self.odoo_workers() + 2
    }
}

impl Module for ServiceStack {
    fn offer(&self, offers: &mut Offers) {
        offers.odoo = Some(OdooData {
            unit: odoo::SERVER,
            user: super::ids::ODOO.user(),
            role: self.odoo_db_user.clone(),
            database: self.odoo_db_name.clone(),
            file_store: self.file_store(),
            database_unit: database::INIT,
        });
        offers.addons.clone_from(&self.odoo_addons.folders);
        offers.vault_certificate = (!self.autocerts).then(|| self.domain.clone());
    }

    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        self.contribute_postgresql(world, system)?;
        self.contribute_databases(world, system)?;
        self.contribute_odoo(world, system)?;
        self.contribute_addons(world, system);
        self.contribute_sessions(system)?;
        self.contribute_nginx(world, system)?;
        if self.pgadmin {
            self.contribute_pgadmin(world, system)?;
        }
        if self.autocerts {
            self.contribute_autocerts(world, system)?;
        }
        Ok(())
    }
}
