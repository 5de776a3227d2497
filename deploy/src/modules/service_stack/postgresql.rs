//! PostgreSQL: on Unix sockets only, with peer authentication for everyone.
//!
//! The cluster is ours: Debian's package brings the programs, and makes none and starts none.

use super::{ServiceStack, database};
use crate::{
    formats::{
        Unwritable,
        postgresql::{Field, line, setting},
        unit::{UnitFile, Word},
    },
    modules::{World, ids},
    system::{Contributor, Enabled, File, Network, Sandbox, User},
    value::AbsolutePath,
};

/// The unit of the server.
pub(super) const SERVER: &str = "postgresql.service";
/// The folder of the server's socket.
pub(super) const SOCKETS: &str = "/run/postgresql";
/// The port that names the socket; nothing listens on it.
pub(super) const PORT: u16 = 5432;
/// The user map of `pg_ident.conf`: who of the machine is which role.
const MAP: &str = "odbox";
/// The unit that makes the cluster.
const INIT: &str = "postgresql-init.service";
/// The program that it runs.
const INIT_SCRIPT: &str = "/usr/local/lib/odbox/postgresql-init";
/// The programs of this release.
const PROGRAMS: &str = "/usr/lib/postgresql/17/bin";
/// The home of the user, with the cluster below it.
const HOME: &str = "/var/lib/postgresql";
/// The cluster.
const DATA: &str = "/var/lib/postgresql/17/main";
/// The configuration: outside of the cluster, so that it is replaced without it.
const CONFIG: &str = "/etc/postgresql/odbox";

/// Makes the cluster where there is none. It appears complete or not at all.
const INIT_TEXT: &str = r#"#!/bin/sh
set -eu
data=/var/lib/postgresql/17/main
[ ! -e "$data/PG_VERSION" ] || exit 0
rm -rf "$data.draft"
mkdir -p "${data%/*}"
/usr/lib/postgresql/17/bin/initdb --pgdata="$data.draft" --username=postgres --auth=peer \
    --data-checksums --encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin
mv -T "$data.draft" "$data"
sync "${data%/*}"
"#;

/// A program of PostgreSQL.
pub(super) fn program(name: &str) -> String {
    format!("{PROGRAMS}/{name}")
}

impl ServiceStack {
    pub(super) fn contribute_postgresql(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        let home = AbsolutePath::known(HOME);
        let user = ids::POSTGRES.user();
        system.user(user.clone(), User::service(ids::POSTGRES.number, "PostgreSQL", &home));
        system.file(home, File::folder().owner(&user).mode(0o750));
        package(system);

        let config = AbsolutePath::known(CONFIG);
        system.file(config.join("postgresql.conf"), File::text(self.server_settings()?));
        system.file(config.join("pg_hba.conf"), File::text(authentication()?));
        system.file(config.join("pg_ident.conf"), File::text(self.user_map(world)?));
        system.file(AbsolutePath::known(INIT_SCRIPT), File::script(INIT_TEXT));
        system.unit(INIT, init()?, Enabled::Static);
        system.unit(SERVER, server()?, Enabled::WantedBy("multi-user.target"));
        Ok(())
    }

    /// What follows from the number of processors is modest: Odoo's processes need most of the memory.
    fn server_settings(&self) -> Result<String, Unwritable> {
        // Nobody's machine is larger than what this grows to.
        let cpus = self.odoo_cpus.get().min(64);
        let mebibytes = |each: u32| format!("{}MB", each * cpus);
        let connections = (16 * self.odoo_processes()).max(100).to_string();
        let text = |name| format!("{CONFIG}/{name}");
        let comment = |text: &str| format!("\n# {text}\n");
        Ok([
            "# PostgreSQL, of this machine only.\n".to_owned(),
            setting("data_directory", DATA)?,
            setting("hba_file", &text("pg_hba.conf"))?,
            setting("ident_file", &text("pg_ident.conf"))?,
            comment("On a Unix socket, and nowhere else."),
            setting("listen_addresses", "")?,
            setting("unix_socket_directories", SOCKETS)?,
            setting("port", &PORT.to_string())?,
            setting("max_connections", &connections)?,
            comment("By the number of processors."),
            setting("shared_buffers", &mebibytes(128))?,
            setting("effective_cache_size", &mebibytes(384))?,
            setting("maintenance_work_mem", &mebibytes(64))?,
            setting("work_mem", "8MB")?,
            comment("The sandbox has no memory that can be written and run."),
            setting("jit", "off")?,
            comment("To the journal, which has the time and the process."),
            setting("log_line_prefix", "%q%u@%d ")?,
        ]
        .concat())
    }

    /// Who of the machine is which role: pairs of users and roles, and nobody else is anybody.
    fn user_map(&self, world: &World<'_>) -> Result<String, Unwritable> {
        let (odoo, pgadmin) = (ids::ODOO.user(), ids::PGADMIN.user());
        let admin = database::admin(world);
        let mut pairs = vec![
            ("root", admin.as_str()),
            (admin.as_str(), admin.as_str()),
            (ids::POSTGRES.name, "postgres"),
            (odoo.as_str(), self.odoo_db_user.as_str()),
        ];
        if self.pgadmin {
            pairs.push((pgadmin.as_str(), self.pgadmin_db_user.as_str()));
        }
        let mut text = "# Map, user of the machine, role.\n".to_owned();
        for (user, role) in pairs {
            text += &line(&[Field::Name(MAP), Field::Name(user), Field::Name(role)])?;
        }
        Ok(text)
    }
}

/// Debian's packages, kept from making a cluster and from starting one.
fn package(system: &mut Contributor<'_>) {
    system.package("postgresql-17");
    system.package("postgresql-client-17");
    let create = AbsolutePath::known("/etc/postgresql-common/createcluster.conf");
    let none = "# The cluster is that of postgresql.service.\ncreate_main_cluster = false\n";
    system.file(create, File::text(none));
    system.packaged_unit("postgresql@.service", Enabled::Masked);
}

/// `pg_hba.conf`: whoever the kernel says is at the other end of the socket.
fn authentication() -> Result<String, Unwritable> {
    let peer = line(&[Field::Literal("local all all peer map=odbox")])?;
    Ok(format!("# Everyone by who they are on this machine; pg_ident.conf has the roles.\n{peer}"))
}

fn init() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "Make PostgreSQL's cluster")
        .words("RequiresMountsFor", [HOME])?
        .words("Before", [SERVER])?;
    let mut service = unit.section("Service");
    service.set("Type", "oneshot").set("RemainAfterExit", "yes").command("ExecStart", [INIT_SCRIPT])?;
    let sandbox = Sandbox::of(&ids::POSTGRES.user()).writes([AbsolutePath::known(HOME)]);
    sandbox.network(Network::Unix).apply(&mut service)?;
    Ok(unit)
}

fn server() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "PostgreSQL")
        .words("RequiresMountsFor", [HOME])?
        .words("Requires", [INIT])?
        .words("After", [INIT])?;
    let mut service = unit.section("Service");
    let command = [
        Word::from(program("postgres")),
        Word::Prefixed("--config-file=", format!("{CONFIG}/postgresql.conf")),
    ];
    service
        .set("Type", "notify")
        .command("ExecStart", command)?
        .set("ExecReload", "/usr/bin/kill -HUP $MAINPID")
        .comment("A fast shutdown; recovery after a crash takes as long as it takes.")
        .set("KillMode", "mixed")
        .set("KillSignal", "SIGINT")
        .set("TimeoutSec", "infinity")
        .set("Restart", "on-failure")
        .comment("Its processes end before it does, when memory runs out.")
        .set("OOMScoreAdjust", "-900")
        .environment("PG_OOM_ADJUST_FILE", "/proc/self/oom_score_adj")?
        .environment("PG_OOM_ADJUST_VALUE", "0")?
        .set("RuntimeDirectory", "postgresql")
        .set("RuntimeDirectoryMode", "0755");
    Sandbox::of(&ids::POSTGRES.user())
        .network(Network::Unix)
        .writes([AbsolutePath::known(HOME)])
        .sees_users()
        .apply(&mut service)?;
    Ok(unit)
}

#[cfg(test)]
mod tests;
