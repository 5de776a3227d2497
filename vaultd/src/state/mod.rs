//! stub
use serde::{Deserialize, Serialize};
use vault_format::Verified;
/// Facts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    /// Serial.
    pub serial: u64,
    /// Id.
    pub vault_id: String,
    /// Signer.
    pub principal: String,
}
impl Facts {
    /// Of.
    #[must_use]
    pub fn of(vault: &Verified) -> Self {
        Self { serial: vault.lock().serial, vault_id: vault.lock().id.to_string(), principal: vault.signer().principal().to_owned() }
    }
}

/// Escaped.
#[must_use]
pub fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().trim_matches('/').replace('/', "-")
}
