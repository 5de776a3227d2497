//! Roles and databases, and who may do what in them: a script that `psql` runs at every start, which changes
//! nothing where all is as it says.

use super::{ServiceStack, postgresql};
use crate::{
    formats::{
        Unwritable,
        sql::{identifier, literal},
        unit::UnitFile,
    },
    modules::{World, ids},
    problem::Problem,
    system::{Contributor, Enabled, File, Network, Sandbox},
    value::{AbsolutePath, PostgresName, UserName},
};

/// The unit that sets up roles and databases.
pub(super) const INIT: &str = "database-init.service";
/// What it runs.
const SCRIPT: &str = "/usr/local/lib/odbox/database-init.sql";

/// The administrator, as a user of the machine and as the superuser of that name.
pub(super) fn admin(world: &World<'_>) -> UserName {
    world.offers.admin_user.clone().unwrap_or_else(|| UserName::known("admin"))
}

impl ServiceStack {
    pub(super) fn contribute_databases(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        self.tell_names_apart(&admin(world), system);
        system.database(self.odoo_db_name.clone(), self.odoo_db_user.clone());
        if self.pgadmin {
            system.database(self.pgadmin_db_name.clone(), self.pgadmin_db_user.clone());
        }
        system.file(AbsolutePath::known(SCRIPT), File::text(self.script(&admin(world))?));
        system.unit(INIT, init()?, Enabled::WantedBy("multi-user.target"));
        Ok(())
    }

    /// A role that is two would have the rights of both.
    fn tell_names_apart(&self, admin: &UserName, system: &mut Contributor<'_>) {
        let mut clash = |key: &'static str, name: &PostgresName, whose: &str| {
            let problem = Problem::new(format!("the role `{name}` is also that of {whose}"));
            system.problem(problem.about("service-stack", key).help("give it another name"));
        };
        if self.odoo_db_user.as_str() == admin.as_str() {
            clash("odoo-db-user", &self.odoo_db_user, "the administrator, who may do everything");
        }
        if self.pgadmin && self.pgadmin_db_user.as_str() == admin.as_str() {
            clash("pgadmin-db-user", &self.pgadmin_db_user, "the administrator, who may do everything");
        }
        if self.pgadmin && self.pgadmin_db_user == self.odoo_db_user {
            clash("pgadmin-db-user", &self.pgadmin_db_user, "Odoo");
        }
    }

    fn script(&self, admin: &UserName) -> Result<String, Unwritable> {
        let mut script = "-- Roles, databases and rights. Run by psql as often as you like.\n\
            \\set ON_ERROR_STOP on\n\
            SET client_min_messages TO warning;\n"
            .to_owned();
        script += &role(admin.as_str(), "SUPERUSER CREATEDB CREATEROLE")?;
        script += &self.odoo()?;
        if self.pgadmin {
            script += &self.pgadmin()?;
        }
        Ok(script)
    }

    fn odoo(&self) -> Result<String, Unwritable> {
        let user = identifier(self.odoo_db_user.as_str())?;
        let role = role(self.odoo_db_user.as_str(), PLAIN)?;
        let database = database(&self.odoo_db_name, &self.odoo_db_user)?;
        Ok(format!(
            "{role}{database}\n\
             -- Nobody but these connects to what is PostgreSQL's own; Odoo looks up there which databases are its.\n\
             REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;\n\
             GRANT CONNECT ON DATABASE postgres TO {user};\n"
        ))
    }

    /// Its own database, and Odoo's data: what is there, and what Odoo will create.
    fn pgadmin(&self) -> Result<String, Unwritable> {
        let role = role(self.pgadmin_db_user.as_str(), PLAIN)?;
        let database = database(&self.pgadmin_db_name, &self.pgadmin_db_user)?;
        let (user, odoo, odoo_database) = (
            identifier(self.pgadmin_db_user.as_str())?,
            identifier(self.odoo_db_user.as_str())?,
            identifier(self.odoo_db_name.as_str())?,
        );
        let defaults = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {odoo} IN SCHEMA public GRANT");
        Ok(format!(
            "{role}{database}\n\
             -- PgAdmin reads and writes Odoo's data, and changes nothing of how it is kept.\n\
             GRANT CONNECT ON DATABASE {odoo_database} TO {user};\n\
             \\connect {odoo_database}\n\
             SET client_min_messages TO warning;\n\
             REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n\
             GRANT USAGE ON SCHEMA public TO {user};\n\
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user};\n\
             GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {user};\n\
             {defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {user};\n\
             {defaults} USAGE, SELECT, UPDATE ON SEQUENCES TO {user};\n"
        ))
    }
}

/// What a role may do that may do nothing beyond its own.
const PLAIN: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

/// A role without a password: who it is, the socket tells.
fn role(name: &str, may: &'static str) -> Result<String, Unwritable> {
    let (role, value) = (identifier(name)?, literal(name)?);
    let create = literal(&format!("CREATE ROLE {role}"))?;
    Ok(format!(
        "\nSELECT {create} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {value}) \\gexec\n\
         ALTER ROLE {role} LOGIN PASSWORD NULL {may};\n"
    ))
}

/// A database that nobody enters but its owner, and those who are let in.
fn database(name: &PostgresName, owner: &PostgresName) -> Result<String, Unwritable> {
    let (database, value) = (identifier(name.as_str())?, literal(name.as_str())?);
    let owner = identifier(owner.as_str())?;
    let create = literal(&format!("CREATE DATABASE {database} OWNER {owner}"))?;
    Ok(format!(
        "SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {value}) \\gexec\n\
         ALTER DATABASE {database} OWNER TO {owner};\n\
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n"
    ))
}

fn init() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "Set up roles and databases")
        .words("Requires", [postgresql::SERVER])?
        .words("After", [postgresql::SERVER])?;
    let mut service = unit.section("Service");
    let psql = postgresql::program("psql");
    let command = [psql.as_str(), "--no-psqlrc", "--quiet", "--dbname=postgres", "--file", SCRIPT];
    service.set("Type", "oneshot").set("RemainAfterExit", "yes").command("ExecStart", command)?;
    Sandbox::of(&ids::POSTGRES.user()).network(Network::Unix).apply(&mut service)?;
    Ok(unit)
}

#[cfg(test)]
mod tests;
