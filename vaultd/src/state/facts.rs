//! What a verifier says about one state of a vault.

use serde::{Deserialize, Serialize};
use vault_format::due::first_end;
use vault_format::lock::VaultId;
use vault_format::{Digest, Verified, ssh};

use super::End;

/// What is known of a state whose signature and digests hold. It has no secret, and nothing of the
/// vault that a terminal would take for a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Facts {
    /// Which vault it is.
    pub vault_id: VaultId,
    /// Grows with each change.
    pub serial: u64,
    /// SHA-256 of the lock: the name of this state.
    pub lock_sha256: Digest,
    /// The states that it descends from, newest first.
    pub ancestors: Vec<Digest>,
    /// The fingerprint of the key that signed it, `SHA256:…`.
    pub signer: String,
    /// The signer's name in this machine's list.
    pub principal: String,
    /// How many secrets the vault has, served here or not.
    pub secrets: usize,
    /// What is worth a look.
    pub warnings: Vec<String>,
    /// What of it ends, or is to be changed, first.
    pub ends: Vec<End>,
    /// When the first secret or certificate ends, as in `2026-11-22T13:51:00Z`.
    pub expires: Option<String>,
}

impl Facts {
    /// The facts of a verified vault.
    #[must_use]
    pub fn of(vault: &Verified) -> Self {
        let lock = vault.lock();
        Self {
            vault_id: lock.id.clone(),
            serial: lock.serial,
            lock_sha256: vault.lock_digest(),
            ancestors: lock.ancestors.clone(),
            signer: ssh::fingerprint(vault.signer().key()),
            principal: vault.signer().principal().to_owned(),
            secrets: lock.secrets.len(),
            warnings: vault.warnings().iter().map(ToString::to_string).collect(),
            expires: first_end(vault).map(|end| end.to_string()),
            ends: End::of(vault),
        }
    }
}
