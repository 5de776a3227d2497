//! Certificates by ACME (RFC 8555), HTTP-01, renewed 30 days before they end.
//!
//! Nginx needs a certificate to start, and has to run to get one: so it starts with one that nobody trusts. The
//! user of the ACME client can write what Nginx reads, and nothing else; Nginx cannot read the key of the account.

mod scripts;
#[cfg(test)]
mod tests;

use super::{ServiceStack, nginx};
use crate::{
    formats::{
        Unwritable,
        unit::{UnitFile, Word},
    },
    modules::{AcmeServer, World, ids},
    problem::Problem,
    system::{BornKey, Contributor, Enabled, File, Network, Sandbox, User},
    value::{AbsolutePath, Calendar, Domain, Email, HttpsUrl},
};

/// Makes the certificate that nobody trusts.
pub(super) const FIRST: &str = "acme-first.service";
/// Asks for the certificate.
const ASK: &str = "acme.service";
const TIMER: &str = "acme.timer";
/// Has Nginx take up a new one.
const RELOAD: &str = "acme-reload.service";
const WATCH: &str = "acme-reload.path";

/// Everything that is kept, of which only the next two are Nginx's too.
const STATE: &str = "/var/lib/acme";
/// Certificates with their keys, each pair in one file, so that it is replaced in one move.
const CERTIFICATES: &str = "/var/lib/acme/tls";
/// The answers for the ACME server.
pub(super) const WEB_ROOT: &str = "/var/lib/acme/web";
/// The client's own account, keys and certificates.
const CLIENT: &str = "/var/lib/acme/lego";

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Where the certificate of a domain is, with its key.
pub(super) fn certificate(domain: &Domain) -> AbsolutePath {
    AbsolutePath::known(CERTIFICATES).join(&format!("{domain}.pem"))
}

/// What is asked of whom.
struct Order<'a> {
    domain: &'a Domain,
    email: &'a Email,
    server: HttpsUrl,
    /// The ACME server of this machine, if it is asked.
    own: Option<&'a AcmeServer>,
}

impl ServiceStack {
    pub(super) fn contribute_autocerts(
        &self,
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        match self.order(world) {
            Ok(order) => order.contribute(system),
            Err(problem) => {
                system.problem(problem);
                Ok(())
            }
        }
    }

    fn order<'a>(&'a self, world: &'a World<'_>) -> Result<Order<'a>, Problem> {
        let problem = |message| Problem::new(message).about("service-stack", "autocerts");
        let own = world.offers.acme.as_ref().filter(|_| self.acme_server.is_none());
        let server = match (&self.acme_server, own) {
            (Some(server), _) => server.clone(),
            (None, Some(own)) => own.directory.clone(),
            (None, None) => HttpsUrl::known(LETS_ENCRYPT),
        };
        if server.as_str() == LETS_ENCRYPT && !self.domain.as_str().contains('.') {
            let told = problem(format!("Let's Encrypt gives nobody a certificate for `{}`", self.domain));
            return Err(told.help("write the public `domain`, or add [local-ca], which issues for localhost"));
        }
        if let Some(name) = own.and_then(|_| self.beyond_local_ca(world)) {
            let told = Problem::new(format!(
                "the local CA of this machine signs for {name} and whatever is below, and not for `{}`",
                self.domain
            ));
            return Err(told.about("service-stack", "domain").help(
                "write such a `domain`; or an `acme-server` that gives certificates for this one; or have the \
                 machine called by its whole host name in the vault (`vaultgen machine add`)",
            ));
        }
        let Some(email) = &world.offers.admin_email else {
            let told =
                problem("an ACME server wants to know a mail address, and the node has none".to_owned());
            return Err(told.help("write `admin-email` in [login]"));
        };
        Ok(Order { domain: &self.domain, email, server, own })
    }

    /// The names that the local CA signs for, if the domain is none of them: its name constraints say so, and no
    /// browser would take the certificate.
    fn beyond_local_ca(&self, world: &World<'_>) -> Option<String> {
        let vault = world.vault?;
        // That of the snake-oil vault is for loopback alone: both of its machines have it.
        let machine = vault.identity.is_none().then(|| vault.machine().to_ascii_lowercase());
        let names = || machine.as_deref().into_iter().chain(["localhost"]);
        let domain = self.domain.as_str();
        let is_below =
            |name: &str| domain.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let told = || names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        (!names().any(is_below)).then(told)
    }
}

impl Order<'_> {
    fn contribute(&self, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        ["lego", "openssl", "ca-certificates"].into_iter().for_each(|package| system.package(package));
        folders(system);
        let born = |why| BornKey { owner: ids::ACME.user(), why };
        system.born_key(
            AbsolutePath::known(CLIENT),
            born("of the account with the ACME server, and of its certificates"),
        );
        system.born_key(
            certificate(self.domain),
            born("of the certificate that Nginx serves, which reads it by its group"),
        );
        system.file(AbsolutePath::known(scripts::FIRST), File::script(self.first_script()?));
        system.file(AbsolutePath::known(scripts::ASK), File::script(self.ask_script()?));
        system.unit(FIRST, self.first()?, Enabled::Static);
        system.unit(ASK, self.ask()?, Enabled::Static);
        system.unit(TIMER, self.timer()?, Enabled::WantedBy("timers.target"));
        system.unit(WATCH, self.watch()?, Enabled::WantedBy("multi-user.target"));
        system.unit(RELOAD, reload()?, Enabled::Static);
        Ok(())
    }

    fn first(&self) -> Result<UnitFile, Unwritable> {
        let path = certificate(self.domain);
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .text(
                "Description",
                &format!("A certificate for {} that nobody trusts, to start with", self.domain),
            )?
            .words("ConditionPathExists", [Word::Prefixed("!", path.to_string())])?;
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").command("ExecStart", [scripts::FIRST])?;
        sandbox().apply(&mut service)?;
        Ok(unit)
    }

    fn ask(&self) -> Result<UnitFile, Unwritable> {
        let mut after = vec!["network-online.target", nginx::UNIT];
        after.extend(self.own.map(|own| own.unit));
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .text("Description", &format!("Ask for the certificate of {}", self.domain))?
            .words("Wants", &after)?
            .words("After", &after)?;
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").command("ExecStart", [scripts::ASK])?;
        service.set("TimeoutStartSec", "20min").set("Restart", "on-failure");
        // Let's Encrypt takes five failures an hour.
        service.set("RestartSec", if self.own.is_some() { "10s" } else { "20min" });
        let network = match self.own {
            Some(own) => {
                service.environment("LEGO_CA_CERTIFICATES", own.root.as_str())?;
                Network::Loopback
            }
            None => Network::Internet,
        };
        sandbox().network(network).apply(&mut service)?;
        Ok(unit)
    }

    /// At once, since there may be none yet, and then again and again.
    fn timer(&self) -> Result<UnitFile, Unwritable> {
        let daily = Calendar::known("daily");
        let renewal = self.own.map_or(&daily, |own| &own.renewal);
        let mut unit = UnitFile::new();
        unit.section("Unit").text("Description", &format!("Renew the certificate of {}", self.domain))?;
        unit.section("Timer").set("OnActiveSec", "0").calendar(renewal.as_str())?.set("Persistent", "yes");
        Ok(unit)
    }

    fn watch(&self) -> Result<UnitFile, Unwritable> {
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .text("Description", &format!("Wait for a new certificate of {}", self.domain))?;
        unit.section("Path").path("PathChanged", certificate(self.domain).as_str())?.set("Unit", RELOAD);
        Ok(unit)
    }
}

/// All but its reach: what it writes is also for Nginx to read, where the folder lets it.
fn sandbox() -> Sandbox {
    Sandbox::of(&ids::ACME.user()).group(&ids::NGINX.user()).writes([AbsolutePath::known(STATE)])
}

fn folders(system: &mut Contributor<'_>) {
    let (acme, nginx) = (ids::ACME.user(), ids::NGINX.user());
    let state = AbsolutePath::known(STATE);
    system.user(acme.clone(), User::service(ids::ACME.number, "ACME client", &state));
    let folder = || File::folder().owner(&acme);
    system.file(state, folder().mode(0o711));
    system.file(AbsolutePath::known(CLIENT), folder().mode(0o700));
    system.file(AbsolutePath::known(CERTIFICATES), folder().group(&nginx).mode(0o750));
    system.file(AbsolutePath::known(WEB_ROOT), folder().group(&nginx).mode(0o750));
}

/// systemd lets only root reload a unit.
fn reload() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit").set("Description", "Have Nginx take up its new certificate");
    let mut service = unit.section("Service");
    service.set("Type", "oneshot");
    service.command("ExecStart", ["/usr/bin/systemctl", "try-reload-or-restart", nginx::UNIT])?;
    Sandbox::root().network(Network::Unix).apply(&mut service)?;
    Ok(unit)
}
