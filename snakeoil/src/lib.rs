//! The ready-made test vault, and the guard against using it in production.
//!
//! The vault lies beside this file in `vault/`: every password is `abc123`, and its private keys
//! are in the repository on purpose. Whoever serves it serves secrets that everybody knows, so
//! it is recognised by its public keys, wherever it lies and however it was copied or signed
//! anew. What makes a test machine finds its files and the machines' identities here too.
#![forbid(unsafe_code)]

mod vault;

use std::{collections::BTreeSet, sync::LazyLock};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{Digest, Lock, Recipient, facts::Facts, lock::VaultId, signers::AllowedSigners};

pub use self::vault::{files, identity};

const LOCK: &str = include_str!("../vault/vault.lock");
const SIGNERS: &str = include_str!("../vault/allowed_signers");

/// Everything of the snake-oil vault that is public and its own.
static PUBLIC: LazyLock<PublicKeys> = LazyLock::new(|| {
    let lock = Lock::parse(LOCK).expect("the lock in this crate is whole: a test reads it");
    let signers =
        AllowedSigners::parse(SIGNERS).expect("the signers in this crate are whole: a test reads them");
    PublicKeys {
        keys: key_digests(&lock),
        recipients: recipients(&lock),
        signers: signers.fingerprints(),
        id: lock.id,
    }
});

struct PublicKeys {
    id: VaultId,
    recipients: BTreeSet<Recipient>,
    signers: BTreeSet<String>,
    keys: BTreeSet<String>,
}

/// Whether the fingerprint (`SHA256:…`) is that of the snake-oil vault's signer.
#[must_use]
pub fn is_signer(fingerprint: &str) -> bool {
    PUBLIC.signers.contains(fingerprint)
}

/// Whether all of these public keys are the snake-oil vault's.
#[must_use]
pub fn knows_all(keys: &BTreeSet<Recipient>) -> bool {
    keys.is_subset(&PUBLIC.recipients)
}

/// Refuses the snake-oil vault's identity: whoever has it would open what everybody can read.
///
/// # Errors
///
/// If one of the keys is the snake-oil vault's.
pub fn refuse_identities(identities: &BTreeSet<Recipient>) -> Result<(), SnakeOil> {
    match identities.is_disjoint(&PUBLIC.recipients) {
        true => Ok(()),
        false => Err(SnakeOil("its identity")),
    }
}

/// Refuses the snake-oil vault's signer: whoever trusts it would believe what everybody can forge.
///
/// # Errors
///
/// If one of the signers is the snake-oil vault's.
pub fn refuse_signers(trusted: &AllowedSigners) -> Result<(), SnakeOil> {
    match trusted.fingerprints().is_disjoint(&PUBLIC.signers) {
        true => Ok(()),
        false => Err(SnakeOil("its signer")),
    }
}

/// Refuses the snake-oil vault, and a vault that has any of its keys.
///
/// # Errors
///
/// If the lock has the snake-oil vault's id, or names a recipient, certificate key or SSH key of
/// it.
pub fn refuse_vault(lock: &Lock) -> Result<(), SnakeOil> {
    if lock.id == PUBLIC.id {
        return Err(SnakeOil("its id"));
    }
    if !recipients(lock).is_disjoint(&PUBLIC.recipients) {
        return Err(SnakeOil("its recipient"));
    }
    if !key_digests(lock).is_disjoint(&PUBLIC.keys) {
        return Err(SnakeOil("one of its keys"));
    }
    Ok(())
}

fn recipients(lock: &Lock) -> BTreeSet<Recipient> {
    lock.secrets.values().flat_map(|secret| secret.recipients.iter().cloned()).collect()
}

/// The digests of all public keys of which the vault holds the private one.
fn key_digests(lock: &Lock) -> BTreeSet<String> {
    let digest = |facts: &Facts| match facts {
        Facts::Certificate(certificate) => Some(certificate.spki_sha256),
        Facts::PrivateKey { spki_sha256 } => Some(*spki_sha256),
        Facts::SshKey { fingerprint } => Some(Digest::of(fingerprint.as_bytes())),
        Facts::PasswordHash(_) => None,
    };
    let facts = lock.secrets.values().filter_map(|secret| secret.facts.as_ref());
    facts.filter_map(digest).map(|digest| digest.to_string()).collect()
}

/// The snake-oil vault was met where real secrets belong.
#[derive(Debug, Error, Diagnostic)]
#[error("this is the snake-oil vault (by {0}): its private keys are public, and every password is abc123")]
#[diagnostic(help(
    "make a vault of your own with `vaultgen init`; for a test machine only, add --allow-snakeoil"
))]
pub struct SnakeOil(&'static str);

impl SnakeOil {
    /// The refusal of a vault of which only the signer is known.
    #[must_use]
    pub fn by_its_signer() -> Self {
        Self("its signer")
    }
}

#[cfg(test)]
mod tests {
    use vault_format::{Identities, passphrase::Nobody};

    use super::*;

    #[test]
    fn the_vault_beside_us_is_recognised_by_everything_it_has() {
        let lock = Lock::parse(LOCK).unwrap();
        assert!(refuse_vault(&lock).is_err());
        let trusted = AllowedSigners::parse(SIGNERS).unwrap();
        assert!(refuse_signers(&trusted).is_err());
        assert!(refuse_identities(&recipients(&lock)).is_err());
        for machine in ["devm-aarch64", "devm-x86_64"] {
            let text = identity(machine).unwrap().to_owned();
            let keys = Identities::parse(&text.into(), &Nobody).unwrap().recipients();
            assert!(refuse_identities(&keys).is_err() && knows_all(&keys), "{machine}");
        }
        assert!(trusted.fingerprints().iter().all(|fingerprint| is_signer(fingerprint)));
    }

    #[test]
    fn a_vault_with_any_of_its_keys_is_recognised() {
        let snake_oil = Lock::parse(LOCK).unwrap();
        for (name, secret) in snake_oil.secrets {
            let mut lock = Lock::new().unwrap();
            let has_key = !matches!(secret.facts, None | Some(Facts::PasswordHash(_)));
            let mut secret = secret;
            lock.secrets.insert(name.clone(), secret.clone());
            assert!(refuse_vault(&lock).is_err(), "{name} by its recipient");
            secret.recipients.clear();
            lock.secrets.insert(name.clone(), secret);
            assert_eq!(refuse_vault(&lock).is_err(), has_key, "{name} by its key");
        }
    }

    #[test]
    fn any_other_vault_passes() {
        assert!(refuse_vault(&Lock::new().unwrap()).is_ok());
        assert!(refuse_signers(&AllowedSigners::default()).is_ok());
    }
}
