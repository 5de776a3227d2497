//! Odoo 14: the server with its long-polling process, and the first initialisation.
//!
//! It is a package of Debian 11, and runs in a root of that release, with nothing of the machine bound in but its
//! data, its addons, PostgreSQL's socket, and whom to trust on the Internet.

use super::{ServiceStack, addons, database, postgresql};
use crate::{
    formats::{
        Unwritable,
        ini::IniFile,
        unit::{Section, UnitFile, Word},
    },
    modules::{World, ids, wiring},
    node::Variant,
    system::{Artifact, Contributor, Enabled, File, Network, Sandbox, User},
    value::AbsolutePath,
};

/// The unit of the server.
pub(super) const SERVER: &str = "odoo.service";
/// The unit that initialises the database.
const INIT: &str = "odoo-init.service";
/// The folder of our programs that run in its root.
const PROGRAMS: &str = "/usr/local/lib/odbox/odoo";
/// Where Odoo finds programs. Its own option `bin_path` comes after all of these, and the first `wkhtmltopdf` counts.
const PATH: &str = "/usr/local/lib/odbox/odoo/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is installed in the root. The fonts are those of reports, which are text with them, and curves without.
const PACKAGES: [&str; 4] = ["odoo-14", "ca-certificates", "fonts-lato", "fonts-open-sans"];
/// The port of the server, on this machine only.
pub(super) const HTTP_PORT: u16 = 8069;
/// The port of its process for long polling.
pub(super) const LONGPOLLING_PORT: u16 = 8072;
/// The root that it runs in.
const ROOT: &str = "/opt/odoo-14/root";
/// Its data, in the root as on the machine.
pub(super) const HOME: &str = "/var/lib/odoo";
/// The settings for maintenance.
const SETTINGS_FOLDER: &str = "/etc/odoo";
/// What runs it for maintenance.
const COMMAND: &str = "/usr/local/bin/odoo";

/// What of the machine is bound into the root, beside its data; with `-`, where it is there.
const BINDS: [&str; 5] = [
    postgresql::SOCKETS,
    PROGRAMS,
    SETTINGS_FOLDER,
    // Debian 11 gets no more updates: whom to trust is what this machine's Debian says.
    "/etc/ssl/certs",
    "-/etc/resolv.conf",
];

/// Odoo for maintenance: as a service for the time that it takes, with whatever is given to it.
const COMMAND_TEXT: &str = r#"#!/bin/sh
# Odoo for maintenance, in its root and as its user: odoo shell, odoo --update=sale --stop-after-init
set -eu
[ "$(id -u)" = 0 ] || exec sudo -- "$0" "$@"
if [ -t 0 ] && [ -t 1 ]; then ends=--pty; else ends=--pipe; fi
exec systemd-run --quiet --wait --collect "$ends" --expand-environment=no \
    --property=User=odoo --property=Group=odoo --property=NoNewPrivileges=yes --property=PrivateTmp=yes \
    --property=RootDirectory=/opt/odoo-14/root --property=MountAPIVFS=yes --property=PrivateDevices=yes \
    --property=WorkingDirectory=/var/lib/odoo --property=BindPaths=/var/lib/odoo \
    --property="BindReadOnlyPaths=@BINDS@" --property=ProtectSystem=strict --property=ReadWritePaths=/var/lib/odoo \
    --setenv=ODOO_RC=/etc/odoo/odoo.conf --setenv=PATH=@PATH@ \
    /usr/bin/odoo "$@"
"#;

impl ServiceStack {
    pub(super) fn contribute_odoo(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        let user = ids::ODOO.user();
        let home = AbsolutePath::known(HOME);
        system.user(user.clone(), User::service(ids::ODOO.number, "Odoo", &home));
        let store = self.file_store();
        for folder in [home.clone(), home.join("sessions"), store.parent(), store] {
            system.file(folder, File::folder().owner(&user).mode(0o700));
        }
        let root = Artifact::DebianRoot { suite: "bullseye", packages: PACKAGES.to_vec() };
        system.artifact(AbsolutePath::known(ROOT), root);

        let programs = AbsolutePath::known(PROGRAMS);
        system.file(programs.join("init.py"), File::text(include_str!("odoo_init.py")));
        let printer = File::script(include_str!("odoo_wkhtmltopdf.py"));
        system.file(programs.join("bin").join("wkhtmltopdf"), printer);
        let settings = AbsolutePath::known(SETTINGS_FOLDER).join("odoo.conf");
        system.file(settings, File::text(self.settings()?));
        let command = COMMAND_TEXT.replace("@BINDS@", &self.binds().join(" ")).replace("@PATH@", PATH);
        system.file(AbsolutePath::known(COMMAND), File::script(command));
        system.listen(HTTP_PORT, SERVER);
        system.listen(LONGPOLLING_PORT, SERVER);
        self.units(world, system)
    }

    /// The folder of the file store of its database.
    pub(super) fn file_store(&self) -> AbsolutePath {
        AbsolutePath::known(HOME).join("filestore").join(self.odoo_db_name.as_str())
    }

    fn units(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let mut init = self.initialiser()?;
        wiring::hand(INIT, &mut init, world, system)?;
        system.unit(INIT, init, Enabled::Static);
        let mut server = self.server()?;
        wiring::hand(SERVER, &mut server, world, system)?;
        let enabled = match world.variant {
            Variant::Run => Enabled::WantedBy("multi-user.target"),
            // Data is loaded into the empty database first.
            Variant::Bootstrap => Enabled::Static,
        };
        system.unit(SERVER, server, enabled);
        Ok(())
    }

    fn binds(&self) -> Vec<&'static str> {
        let addons = self.odoo_addons.path().map(|_| addons::FOLDER);
        BINDS.into_iter().chain(addons).collect()
    }

    /// The settings that every run of Odoo has, as names of `odoo.conf` and options of the command line.
    fn places(&self) -> Vec<(&'static str, &'static str, String)> {
        let addons = self.odoo_addons.path().map(|path| ("addons_path", "--addons-path=", path));
        let places = [
            ("db_name", "--database=", self.odoo_db_name.to_string()),
            ("db_user", "--db_user=", self.odoo_db_user.to_string()),
            ("data_dir", "--data-dir=", HOME.to_owned()),
        ];
        places.into_iter().chain(addons).collect()
    }

    fn settings(&self) -> Result<String, Unwritable> {
        let mut file = IniFile::new();
        let mut options = file.section("options");
        options.comment("For maintenance; odoo.service has all of its settings on its command line.");
        for (name, _, value) in self.places() {
            options.text(name, &value)?;
        }
        options.set("list_db", "False");
        Ok(file.render())
    }

    fn options(&self) -> Vec<Word> {
        let places = self.places().into_iter().map(|(_, option, value)| Word::Prefixed(option, value));
        places.chain([Word::Literal("--log-handler=:INFO")]).collect()
    }

    fn initialiser(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Initialise Odoo's database")
            .words("Requires", [database::INIT])?
            .words("After", [database::INIT])?
            .words("Before", [SERVER])?;
        let mut service = unit.section("Service");
        let program = ["/usr/bin/python3".to_owned(), format!("{PROGRAMS}/init.py")].map(Word::from);
        service
            .set("Type", "oneshot")
            .set("RemainAfterExit", "yes")
            .command("ExecStart", program.into_iter().chain(self.options()))?;
        self.confine(Network::Unix, &mut service)?;
        Ok(unit)
    }

    fn server(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Odoo")
            .words("Requires", [INIT])?
            .words("After", [INIT, "network.target"])?;
        let mut service = unit.section("Service");
        let own = [
            // It holds the master password, and nothing else.
            Word::Literal("--config=%d/admin.conf"),
            Word::Literal("--http-interface=127.0.0.1"),
            Word::Prefixed("--http-port=", HTTP_PORT.to_string()),
            Word::Prefixed("--longpolling-port=", LONGPOLLING_PORT.to_string()),
            Word::Literal("--proxy-mode"),
            Word::Prefixed("--workers=", self.odoo_workers().to_string()),
            Word::Literal("--max-cron-threads=1"),
            Word::Literal("--limit-time-cpu=600"),
            Word::Literal("--limit-time-real=1200"),
            Word::Literal("--no-database-list"),
            Word::Literal("--db-filter=.*"),
        ];
        let command = std::iter::once(Word::from("/usr/bin/odoo")).chain(self.options()).chain(own);
        service
            .set("Type", "exec")
            .command("ExecStart", command)?
            .set("KillMode", "mixed")
            .set("Restart", "on-failure")
            .set("RestartSec", "5");
        self.confine(Network::Internet, &mut service)?;
        Ok(unit)
    }

    fn confine(&self, network: Network, service: &mut Section<'_>) -> Result<(), Unwritable> {
        service
            .set("RootDirectory", ROOT)
            .set("MountAPIVFS", "yes")
            .set("WorkingDirectory", HOME)
            .set("BindPaths", HOME);
        for bind in self.binds() {
            service.set("BindReadOnlyPaths", bind);
        }
        // wkhtmltopdf's engine, which runs scripts as machine code otherwise, and memory for that it does not get.
        service.environment("JSC_useJIT", "0")?;
        service.environment("PATH", PATH)?;
        // Whoever runs scheduled jobs is nice to the others (setpriority(2)).
        let sandbox = Sandbox::of(&ids::ODOO.user()).network(network).system_calls("setpriority");
        sandbox.writes([AbsolutePath::known(HOME)]).apply(service)?;
        service.comment("How much memory it takes it reads in /proc.").set("ProcSubset", "all");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
