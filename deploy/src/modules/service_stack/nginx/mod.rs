//! Nginx: ends TLS, and passes on to Odoo and `PgAdmin`.

mod configuration;
#[cfg(test)]
mod tests;

use super::{ServiceStack, autocerts};
use crate::{
    formats::{Unwritable, unit::UnitFile},
    modules::{World, ids, wiring},
    system::{Contributor, Enabled, File, Network, Sandbox, User},
    value::AbsolutePath,
};

/// The unit, in the place of that of Debian's package.
pub(super) const UNIT: &str = "nginx.service";
/// Where it keeps the number of its process.
const PID: &str = "/run/nginx/nginx.pid";
/// What it listens on.
const PORTS: [u16; 2] = [80, 443];

impl ServiceStack {
    pub(super) fn contribute_nginx(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        let nobodys = AbsolutePath::known("/nonexistent");
        system.package("nginx");
        // Has start-stop-daemon, by which it is stopped.
        system.package("dpkg");
        system.user(ids::NGINX.user(), User::service(ids::NGINX.number, "Nginx", &nobodys));
        let configuration = configuration::of(self, world.variant)?;
        system.file(AbsolutePath::known("/etc/nginx/nginx.conf"), File::text(configuration));
        let mut unit = self.nginx_unit()?;
        wiring::hand(UNIT, &mut unit, world, system)?;
        system.unit(UNIT, unit, Enabled::WantedBy("multi-user.target"));
        for port in PORTS {
            system.listen(port, UNIT);
            system.open_port(port);
        }
        Ok(())
    }

    fn nginx_unit(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        let mut section = unit.section("Unit");
        // With the domain, so that it is started anew for another one.
        section.text("Description", &format!("Nginx for {}", self.domain))?.set("After", "network.target");
        section.comment("However long the vault takes.").set("StartLimitIntervalSec", "0");
        if self.autocerts {
            section.words("Wants", [autocerts::FIRST])?.words("After", [autocerts::FIRST])?;
        }
        let mut service = unit.section("Service");
        service.comment("It forks when it listens, so whoever comes after it can rely on that.");
        service.set("Type", "forking").path("PIDFile", PID)?;
        service.command("ExecStart", ["/usr/sbin/nginx", "-e", "stderr"])?;
        service.comment("It stays with what it has if it does not take the new configuration.");
        service.set("ExecReload", "/usr/bin/kill -HUP $MAINPID");
        service.comment("Requests in progress have five seconds to end.");
        service.set(
            "ExecStop",
            "-/usr/sbin/start-stop-daemon --quiet --stop --retry QUIT/5 --pidfile /run/nginx/nginx.pid",
        );
        service.set("KillMode", "mixed").set("TimeoutStopSec", "10");
        service.set("Restart", "on-failure").set("RestartSec", "5");
        service.set("RuntimeDirectory", "nginx").set("CacheDirectory", "nginx").set("LimitNOFILE", "8192");
        Sandbox::of(&ids::NGINX.user())
            .network(Network::Internet)
            .capabilities("CAP_NET_BIND_SERVICE")
            .apply(&mut service)?;
        Ok(unit)
    }
}
