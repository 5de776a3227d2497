//! `vaultd.toml`: what vaultd is told beside what it finds (docs/vaultd.md, "Settings").

use std::collections::BTreeSet;

use serde::Serialize;

use super::Vault;
use crate::{
    system::{File, Handing, System},
    value::AbsolutePath,
    vault::NodeVault,
};

const FILE: &str = "/etc/vaultd/vaultd.toml";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration<'a> {
    vault: &'a str,
    allowed_signers: &'a str,
    identity: &'a str,
    mountpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_snakeoil: Option<bool>,
    on_change_units: BTreeSet<&'a str>,
    vault_id: &'a str,
    min_serial: u64,
}

impl Vault {
    /// vaultd's settings. The vault's id and serial are there for the first boot, when the machine has seen no vault
    /// yet: an older or another one is refused then too.
    pub(super) fn configuration(&self, vault: &NodeVault, system: &System) -> (AbsolutePath, File) {
        let lock = vault.verified().lock();
        let id = lock.id.to_string();
        let configuration = Configuration {
            vault: super::FOLDER,
            allowed_signers: super::SIGNERS,
            identity: self.identity.as_str(),
            mountpoint: self.mount.as_str(),
            allow_snakeoil: self.snakeoil.then_some(true),
            on_change_units: units_with_credentials(system),
            vault_id: &id,
            min_serial: lock.serial,
        };
        let settings = toml::to_string(&configuration).expect("plain values are TOML");
        let text = format!("# docs/vaultd.md has the meaning of each.\n{settings}");
        (AbsolutePath::known(FILE), File::text(text))
    }
}

/// The units that a vault may have restarted when a value changes: those that hold a copy of one.
fn units_with_credentials(system: &System) -> BTreeSet<&'static str> {
    let is_copy = |handing| matches!(handing, Handing::Credential(_));
    system.secrets.iter().filter(|need| is_copy(need.value.handing)).map(|need| need.value.unit).collect()
}
