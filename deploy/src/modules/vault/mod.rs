//! `vault`: vaultd, its units, the ciphertext that it serves, and whom it believes.
//!
//! Which unit gets which secret is in `wiring.rs`; that each of them is there, and readable by this machine alone, is
//! asserted in `assertions/secrets.rs`.

mod configuration;
#[cfg(test)]
mod tests;
mod units;

use super::{Module, Offers, Registration, World, ids};
use crate::{
    formats::Unwritable,
    node::Options,
    problem::Problem,
    system::{Artifact, Contributor, File, System, User},
    value::{AbsolutePath, DataPath, Located, MachineName},
    vault::{NodeVault, VaultOffer},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "vault",
    summary: "the machine's secrets: vaultd, the ciphertext it serves, and who may sign that",
    implies: "",
    read: |options| Box::new(Vault::read(options)),
};

/// Where vaultd looks for what it serves, and for whom it believes, unless it is told otherwise.
const FOLDER: &str = "/etc/vaultd/vault";
const SIGNERS: &str = "/etc/vaultd/allowed_signers";
/// The defaults that vaultd's own units know.
const IDENTITY: &str = "/etc/age.key";
const MOUNT: &str = "/run/vault";

struct Vault {
    source: Option<Located>,
    machine: Option<MachineName>,
    signers: Option<Located>,
    identity: AbsolutePath,
    snakeoil: bool,
    root_ssh_key: Option<Located>,
    admin_ssh_key: Option<Located>,
    mount: AbsolutePath,
}

impl Vault {
    fn read(options: &mut Options<'_>) -> Self {
        Self {
            source: options.located("source"),
            machine: options.optional("machine"),
            signers: options.located("signers"),
            identity: options.get("identity", AbsolutePath::known(IDENTITY)),
            snakeoil: options.get("snakeoil", false),
            root_ssh_key: options.located("root-ssh-key"),
            admin_ssh_key: options.located("admin-ssh-key"),
            mount: options.get("mount", DataPath::known(MOUNT)).path().clone(),
        }
    }

    /// What everybody may read: ciphertext, and what is public. So the process that verifies it needs no privilege.
    fn contribute_files(vault: &NodeVault, system: &mut Contributor<'_>) {
        for (path, bytes) in &vault.files {
            match AbsolutePath::of_file(&format!("{FOLDER}/{path}")) {
                Ok(at) => system.file(at, file(bytes)),
                Err(why) => system.problem(
                    Problem::new(format!("the vault's file `{}` {why}", path.escape_debug()))
                        .about(MODULE.name, "source")
                        .help("give the secret another name"),
                ),
            }
        }
        system.file(AbsolutePath::known(SIGNERS), File::text(vault.signers.clone()));
    }

    /// The key that decrypts: on the machine already, but for the one that everybody knows.
    fn contribute_identity(&self, vault: &NodeVault, system: &mut Contributor<'_>) {
        if let Some(identity) = vault.identity {
            system.file(self.identity.clone(), File::text(identity).mode(0o600));
        }
    }
}

/// Text where it is text, so that a difference can be shown.
fn file(bytes: &[u8]) -> File {
    std::str::from_utf8(bytes).map_or_else(|_| File::bytes(bytes), File::text)
}

impl Module for Vault {
    fn offer(&self, offers: &mut Offers) {
        offers.vault = Some(VaultOffer {
            source: self.source.clone(),
            signers: self.signers.clone(),
            root_ssh_key: self.root_ssh_key.clone(),
            admin_ssh_key: self.admin_ssh_key.clone(),
            machine: self.machine.clone(),
            snakeoil: self.snakeoil,
            mount: self.mount.clone(),
        });
    }

    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let Some(vault) = world.vault else { return Ok(()) };
        let root = AbsolutePath::known("/");
        system.user(ids::VAULTD.user(), User::service(ids::VAULTD.number, "vaultd", &root));
        system
            .artifact(AbsolutePath::known("/usr/local/bin"), Artifact::Programs(vec!["vaultd", "vaultgen"]));
        Self::contribute_files(vault, system);
        self.contribute_identity(vault, system);
        self.contribute_units(system)
    }

    /// Only now it is known which units have a secret as a credential.
    fn conclude(&self, world: &World<'_>, system: &System) -> Result<Vec<(AbsolutePath, File)>, Unwritable> {
        let configuration = world.vault.map(|vault| self.configuration(vault, system));
        Ok(configuration.into_iter().collect())
    }
}
