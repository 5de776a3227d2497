//! Which unit gets which secret, how, and why: all of it, in one place.

use vault_format::SecretName;

use super::{World, ids};
use crate::{
    formats::{Unwritable, unit::UnitFile},
    system::{Contributor, Handing, SecretUse},
    value::{AbsolutePath, Domain, UserName},
};

/// What consumers wait for, and nothing stronger: they go on while `vaultd` is restarted.
const READY: &str = "vaultd-ready.target";

/// One secret of one unit.
struct Wire {
    unit: &'static str,
    user: UserName,
    secret: String,
    handing: Handing,
    why: &'static str,
}

fn credential(
    unit: &'static str,
    user: UserName,
    name: &'static str,
    secret: impl Into<String>,
    why: &'static str,
) -> Wire {
    Wire { unit, user, secret: secret.into(), handing: Handing::Credential(name), why }
}

/// The secrets that the units of the box get.
fn wires(world: &World<'_>) -> Vec<Wire> {
    let root = || UserName::known("root");
    let (odoo, pgadmin, ca) = (ids::ODOO.user(), ids::PGADMIN.user(), ids::LOCAL_CA.user());
    let mut wires = vec![
        credential("odoo.service", odoo.clone(), "admin.conf", "odoo/admin.conf", "Odoo's master password"),
        credential("odoo-init.service", odoo, "password", "passwords/odoo-admin.txt", "the first web login"),
        credential(
            "pgadmin-init.service",
            pgadmin,
            "password",
            "passwords/pgadmin-admin.txt",
            "the web login",
        ),
        credential(
            "local-ca.service",
            ca.clone(),
            "root.pem",
            "certs/vault-ca-cert.pem",
            "who signed its CA",
        ),
        credential("local-ca.service", ca.clone(), "ca.pem", "certs/local-ca-cert.pem", "its CA"),
        credential("local-ca.service", ca, "ca-key.pem", "certs/local-ca-key.pem", "to issue certificates"),
        credential(
            "local-ca-trust.service",
            root(),
            "root.pem",
            "certs/vault-ca-cert.pem",
            "this machine trusts it",
        ),
    ];
    wires.extend(passwords(world));
    wires.extend(world.offers.vault_certificate.as_ref().map(tls).into_iter().flatten());
    wires
}

/// The hashes of the passwords that people log in with. One that the vault does not have is no mistake of its own: who
/// has neither password nor key is found by `login`.
fn passwords(world: &World<'_>) -> impl Iterator<Item = Wire> {
    let wire =
        |name, secret, why| credential("odbox-login.service", UserName::known("root"), name, secret, why);
    let wires = [
        ("root", "passwords/root.yesc", "root's login"),
        ("admin", "passwords/admin.yesc", "the administrator's login"),
    ];
    wires
        .into_iter()
        .filter(|(_, secret, _)| world.has_secret(secret))
        .map(move |(name, secret, why)| wire(name, secret, why))
}

/// The certificate of the web server, where it comes from the vault.
fn tls(domain: &Domain) -> [Wire; 2] {
    let nginx = || ids::NGINX.user();
    [
        credential(
            "nginx.service",
            nginx(),
            "tls.pem",
            format!("certs/{domain}-cert.pem"),
            "its certificate",
        ),
        credential(
            "nginx.service",
            nginx(),
            "tls-key.pem",
            format!("certs/{domain}-key.pem"),
            "its certificate's key",
        ),
    ]
}

/// Hands a unit its secrets: writes that into its file, and notes it in the system.
///
/// # Errors
///
/// If a path of a secret cannot be written into a unit.
pub fn hand(
    unit: &'static str,
    file: &mut UnitFile,
    world: &World<'_>,
    system: &mut Contributor<'_>,
) -> Result<(), Unwritable> {
    let mount =
        world.offers.vault.as_ref().map_or(AbsolutePath::known("/run/vault"), |vault| vault.mount.clone());
    file.section("Unit").set("Wants", READY).set("After", READY);
    for Wire { user, secret, handing, why, .. } in wires(world).into_iter().filter(|wire| wire.unit == unit) {
        if let Handing::Credential(name) = handing {
            file.section("Service").credential("LoadCredential", name, &format!("{mount}/{secret}"))?;
        }
        match secret.parse::<SecretName>() {
            Ok(secret) => system.secret(SecretUse { secret, unit, user, handing, why }),
            Err(_) => return Err(Unwritable::new("the name of a secret", &secret, "it is none")),
        }
    }
    Ok(())
}
