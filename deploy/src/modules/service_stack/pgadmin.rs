//! `PgAdmin` in server mode below `/pgadmin`, its configuration in PostgreSQL.

use serde_json::json;

use super::{ServiceStack, database, postgresql};
use crate::{
    formats::{
        Unwritable,
        python::assignment,
        unit::{Section, UnitFile, Word},
    },
    modules::{World, ids, wiring},
    system::{Artifact, Contributor, Enabled, File, Network, Sandbox, User},
    value::AbsolutePath,
};

/// The unit of the server.
pub(super) const SERVER: &str = "pgadmin.service";
/// The port that it listens on, on this machine only.
pub(super) const PORT: u16 = 5050;
/// Where it is served ("`SCRIPT_NAME`" of PEP 3333).
pub(super) const LOCATION: &str = "/pgadmin";
/// The unit that sets it up.
const INIT: &str = "pgadmin-init.service";
/// What that runs.
const INIT_SCRIPT: &str = "/usr/local/lib/odbox/pgadmin/init.py";
/// The connection to the server of this machine.
const CONNECTION: &str = "/usr/local/lib/odbox/pgadmin/servers.json";
/// Where it is installed.
const ENVIRONMENT: &str = "/opt/pgadmin4";
/// Its data: sessions, log and what users store.
const HOME: &str = "/var/lib/pgadmin";
/// What is in there.
const LOCK: &str = "/usr/local/lib/odbox/pgadmin/requirements.txt";
/// Pinned with all that it depends on: what was tried together. `scripts/pgadmin-lock` makes it.
const LOCKED: &str = include_str!("pgadmin_requirements.txt");

impl ServiceStack {
    pub(super) fn contribute_pgadmin(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        let user = ids::PGADMIN.user();
        let home = AbsolutePath::known(HOME);
        system.user(user.clone(), User::service(ids::PGADMIN.number, "PgAdmin", &home));
        system.file(home, File::folder().owner(&user).mode(0o700));
        system.package("python3-venv");
        system.file(AbsolutePath::known(LOCK), File::text(LOCKED));
        let environment = Artifact::PythonEnvironment { lock: AbsolutePath::known(LOCK) };
        system.artifact(AbsolutePath::known(ENVIRONMENT), environment);

        let config = AbsolutePath::known("/etc/pgadmin/config_system.py");
        system.file(config, File::text(self.pgadmin_settings()));
        let init = include_str!("pgadmin_init.py");
        system.file(AbsolutePath::known(INIT_SCRIPT), File::text(init));
        system.file(AbsolutePath::known(CONNECTION), File::text(self.connection()));
        system.listen(PORT, SERVER);

        let mut init = self.pgadmin_initialiser()?;
        wiring::hand(INIT, &mut init, world, system)?;
        system.unit(INIT, init, Enabled::Static);
        let mut server = pgadmin_server()?;
        wiring::hand(SERVER, &mut server, world, system)?;
        system.unit(SERVER, server, Enabled::WantedBy("multi-user.target"));
        Ok(())
    }

    /// `config_system.py`, which PgAdmin reads last.
    fn pgadmin_settings(&self) -> String {
        let database = format!(
            "postgresql://{}@/{}?host={}",
            self.pgadmin_db_user,
            self.pgadmin_db_name,
            postgresql::SOCKETS
        );
        [
            "# PgAdmin, behind Nginx, for several users.\n".to_owned(),
            assignment("SERVER_MODE", true),
            assignment("DATA_DIR", HOME),
            "\n# Its tables, over the socket.\n".to_owned(),
            assignment("CONFIG_DATABASE_URI", database),
            "\n# Cookies are for here, and for TLS.\n".to_owned(),
            assignment("COOKIE_DEFAULT_PATH", LOCATION),
            assignment("SESSION_COOKIE_SECURE", true),
            assignment("SESSION_COOKIE_SAMESITE", "Strict"),
            "\n# Who one is, the socket tells: there are no passwords to keep.\n".to_owned(),
            assignment("ALLOW_SAVE_PASSWORD", false),
            "\n# It reaches this machine only.\n".to_owned(),
            assignment("UPGRADE_CHECK_ENABLED", false),
            assignment("SHOW_GRAVATAR_IMAGE", false),
            assignment("SUPPORT_SSH_TUNNEL", false),
            assignment("AUTO_DISCOVER_SERVERS", false),
            assignment("LLM_ENABLED", false),
            "\n# An address such as admin@localhost will do.\n".to_owned(),
            assignment("GLOBALLY_DELIVERABLE", false),
            assignment("ALLOW_SPECIAL_EMAIL_DOMAINS", vec!["local", "localhost", "test", "invalid"]),
        ]
        .concat()
    }

    /// The connection that is there from the start, as PgAdmin exports and imports them. That it names a file of
    /// passwords, which there is not, keeps it from asking for one.
    fn connection(&self) -> String {
        let server = json!({
            "Name": "odbox",
            "Group": "Servers",
            "Host": postgresql::SOCKETS,
            "Port": postgresql::PORT,
            "MaintenanceDB": self.odoo_db_name.as_str(),
            "Username": self.pgadmin_db_user.as_str(),
            "ConnectionParameters": { "passfile": "none", "sslmode": "disable" },
        });
        format!("{:#}\n", json!({ "Servers": { "1": server } }))
    }

    fn pgadmin_initialiser(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Set up PgAdmin")
            .words("Requires", [database::INIT])?
            .words("After", [database::INIT])?
            .words("Before", [SERVER])?;
        let mut service = unit.section("Service");
        let python = format!("{ENVIRONMENT}/bin/python3");
        let command = [python.as_str(), INIT_SCRIPT, self.pgadmin_admin_email.as_str(), CONNECTION];
        service.set("Type", "oneshot").set("RemainAfterExit", "yes").command("ExecStart", command)?;
        confine(Network::Unix, &mut service)?;
        Ok(unit)
    }
}

fn pgadmin_server() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "PgAdmin")
        .words("Requires", [INIT])?
        .words("After", [INIT, "network.target"])?;
    let mut service = unit.section("Service");
    let command = [
        Word::from(format!("{ENVIRONMENT}/bin/gunicorn")),
        Word::Prefixed("--bind=127.0.0.1:", PORT.to_string()),
        // PgAdmin keeps its connections in the one process.
        Word::Literal("--workers=1"),
        Word::Literal("--threads=25"),
        Word::Literal("--no-control-socket"),
        Word::Literal("pgadmin4.pgAdmin4:app"),
    ];
    service
        .set("Type", "notify")
        .command("ExecStart", command)?
        .environment("SCRIPT_NAME", LOCATION)?
        .set("KillMode", "mixed")
        .set("Restart", "on-failure")
        .set("RestartSec", "5");
    confine(Network::Loopback, &mut service)?;
    Ok(unit)
}

fn confine(network: Network, service: &mut Section<'_>) -> Result<(), Unwritable> {
    let home = AbsolutePath::known(HOME);
    service.path("WorkingDirectory", HOME)?;
    Sandbox::of(&ids::PGADMIN.user()).network(network).writes([home]).apply(service)
}

#[cfg(test)]
mod tests;
