//! `local-ca`: an ACME server on this machine, for certificates that this machine itself trusts.
//!
//! It is Caddy's, and issues from the intermediate that the vault's CA signed for this machine: for its own name,
//! localhost and loopback addresses only. So it reaches nothing but this machine, and is reached from nowhere else.

mod caddy;
#[cfg(test)]
mod tests;

use super::{AcmeServer, Module, Offers, Registration, World, ids, wiring};
use crate::{
    formats::{Unwritable, unit::UnitFile},
    node::Options,
    system::{Contributor, Enabled, File, Network, Sandbox, User},
    value::{AbsolutePath, Calendar, HttpsUrl, Port},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "local-ca",
    summary: "an ACME server on this machine, whose certificates it trusts",
    implies: "",
    read: |options| Box::new(LocalCa::read(options)),
};

const UNIT: &str = "local-ca.service";
/// Has the machine trust the vault's CA.
const TRUST: &str = "local-ca-trust.service";
/// The program that does.
const TRUST_SCRIPT: &str = "/usr/local/lib/odbox/trust-local-ca";
/// Where update-ca-certificates(8) looks for what Debian does not ship.
const ROOT: &str = "/usr/local/share/ca-certificates/odbox-vault-ca.crt";
const CONFIGURATION: &str = "/etc/local-ca/caddy.json";
/// The accounts of its clients. Its own key is in `/run`, and made anew whenever it starts.
const STATE: &str = "/var/lib/local-ca";

struct LocalCa {
    port: Port,
}

impl LocalCa {
    fn read(options: &mut Options<'_>) -> Self {
        Self { port: options.get("port", Port::new(10443)) }
    }

    fn directory(&self) -> HttpsUrl {
        HttpsUrl::known(&format!("https://localhost:{}/acme/{}/directory", self.port, caddy::CA))
    }

    fn server(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        let mut section = unit.section("Unit");
        section.set("Description", "ACME server of this machine");
        section.words("Wants", [TRUST])?.words("After", [TRUST])?;
        section.comment("However long the vault takes.").set("StartLimitIntervalSec", "0");
        let mut service = unit.section("Service");
        service.set("Type", "notify").set("Restart", "on-failure").set("RestartSec", "5");
        service.command("ExecStart", ["/usr/bin/caddy", "run", "--config", CONFIGURATION])?;
        service.comment("Ready when it answers.").command("ExecStartPost", self.is_up())?;
        service.environment("HOME", STATE)?.environment("XDG_DATA_HOME", STATE)?;
        service.set("StateDirectory", "local-ca").set("StateDirectoryMode", "0700");
        service.set("RuntimeDirectory", "local-ca").set("RuntimeDirectoryMode", "0700");
        Sandbox::of(&ids::LOCAL_CA.user()).network(Network::Loopback).apply(&mut service)?;
        Ok(unit)
    }

    /// With the certificate where it is installed: not every systemd has credentials here.
    fn is_up(&self) -> Vec<String> {
        let options = ["/usr/bin/curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"];
        let patience = ["--retry", "30", "--retry-delay", "1", "--retry-all-errors"];
        let directory = self.directory();
        let what = ["--cacert", ROOT, directory.as_str()];
        options.into_iter().chain(patience).chain(what).map(str::to_owned).collect()
    }

    fn trust(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Trust the CA of the vault")
            .set("StartLimitIntervalSec", "0");
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").set("RemainAfterExit", "yes").command("ExecStart", [TRUST_SCRIPT])?;
        service.set("Restart", "on-failure").set("RestartSec", "5");
        let writes = ["/usr/local/share/ca-certificates", "/etc/ssl/certs"].map(AbsolutePath::known);
        Sandbox::root().writes(writes).apply(&mut service)?;
        Ok(unit)
    }
}

/// Puts the certificate where Debian looks for more, and has it make its list, even after a kill in between.
fn trust_script() -> String {
    format!(
        "#!/bin/sh\n\
         set -eu\n\
         umask 022\n\
         new=$CREDENTIALS_DIRECTORY/root.pem root={ROOT}\n\
         if ! cmp -s \"$new\" \"$root\"; then\n    \
             cat \"$new\" >\"$root.new\"\n    \
             mv \"$root.new\" \"$root\"\n\
         fi\n\
         update-ca-certificates\n"
    )
}

impl Module for LocalCa {
    fn offer(&self, offers: &mut Offers) {
        offers.acme = Some(AcmeServer {
            directory: self.directory(),
            unit: UNIT,
            root: AbsolutePath::known(ROOT),
            // What Caddy 2.6 issues ends after 12 hours, and nothing can be asked for that lasts longer.
            renewal: Calendar::known("*-*-* 00/4:00"),
        });
    }

    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        ["caddy", "curl", "ca-certificates"].into_iter().for_each(|package| system.package(package));
        // Debian's own server, which would listen on port 80.
        for unit in ["caddy.service", "caddy-api.service"] {
            system.packaged_unit(unit, Enabled::Masked);
        }
        let user = User::service(ids::LOCAL_CA.number, "ACME server", &AbsolutePath::known(STATE));
        system.user(ids::LOCAL_CA.user(), user);
        system.file(AbsolutePath::known(CONFIGURATION), File::text(caddy::configuration(self.port)));
        system.file(AbsolutePath::known(TRUST_SCRIPT), File::script(trust_script()));
        for (name, mut unit) in [(UNIT, self.server()?), (TRUST, self.trust()?)] {
            wiring::hand(name, &mut unit, world, system)?;
            system.unit(name, unit, Enabled::WantedBy("multi-user.target"));
        }
        system.listen(self.port.get(), UNIT);
        Ok(())
    }
}
