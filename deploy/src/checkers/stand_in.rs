//! A certificate with its key, for programs that want some and get theirs from the vault.

use vault_format::{
    Timestamp,
    certificate::{CertificateError, Certified, KeyType, LEAF_DAYS, Scope, authority},
};

use super::Verdict;

/// Makes one, of an authority for nobody but this machine.
pub(super) fn certified() -> Result<Certified, Verdict> {
    let made = || -> Result<Certified, CertificateError> {
        let key = KeyType::P256.generate()?;
        authority("deploy check", Scope::Loopback, &key, LEAF_DAYS, Timestamp::now())
    };
    made().map_err(|error| Verdict::Failed(format!("no certificate for the check: {error}")))
}
