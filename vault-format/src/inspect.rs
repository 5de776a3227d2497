//! What only a key can tell of a vault: that every secret opens, and is what the lock says of it.

use miette::Diagnostic;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use thiserror::Error;

use crate::{
    Digest, Identities, Plaintext, SecretName, VaultFiles, Verified,
    cipher::{self, CipherError},
    facts::{Facts, FactsError},
    folder::{FolderError, MAX_FILE},
    password,
    progress::Work,
};

/// Opens every secret that `identities` can, one at a time on each core, and compares it with the
/// lock's facts and with the secret that it is derived from. Gives back how many were opened, and
/// everything that does not fit.
#[must_use]
pub fn inspect(files: &dyn VaultFiles, vault: &Verified, identities: &Identities) -> (usize, Vec<Mismatch>) {
    let ours = identities.recipients();
    let can_open = |name: &SecretName| {
        let secret = vault.lock().secrets.get(name);
        secret.is_some_and(|secret| !secret.recipients.is_disjoint(&ours))
    };
    let names: Vec<&SecretName> = vault.lock().secrets.keys().filter(|name| can_open(name)).collect();
    let inspect_one = |name: &&SecretName| {
        let plaintext = open(files, vault, name, identities)?;
        check_facts(vault, name, &plaintext)?;
        check_pair(vault, name)?;
        match vault.policy().secret(name).from.as_ref().filter(|from| can_open(from)) {
            Some(from) => check_derived(name, &plaintext, from, &open(files, vault, from, identities)?),
            None => Ok(()),
        }
    };
    let work = Work::on("opening", names.len());
    let inspected = names.par_iter().map(inspect_one).inspect(|_| work.advances());
    let mismatches = inspected.filter_map(Result::err).collect();
    (names.len(), mismatches)
}

fn open(
    files: &dyn VaultFiles,
    vault: &Verified,
    name: &SecretName,
    identities: &Identities,
) -> Result<Plaintext, Mismatch> {
    let ciphertext = files.read(&name.ciphertext_path(), MAX_FILE)?;
    if Digest::of(&ciphertext) != vault.lock().secrets[name].sha256 {
        return Err(Mismatch::Changed(name.clone()));
    }
    cipher::decrypt(&ciphertext, identities).map_err(|error| Mismatch::Cipher { name: name.clone(), error })
}

fn check_facts(vault: &Verified, name: &SecretName, plaintext: &Plaintext) -> Result<(), Mismatch> {
    let kind = vault.policy().secret(name).kind;
    let facts = Facts::of(kind, plaintext).map_err(|error| Mismatch::Kind { name: name.clone(), error })?;
    if facts == vault.lock().secrets[name].facts { Ok(()) } else { Err(Mismatch::Facts(name.clone())) }
}

/// A private key must be that of the certificate beside it. What the lock says of the key is right by
/// now; what it says of the certificate, whoever opens that sees.
fn check_pair(vault: &Verified, name: &SecretName) -> Result<(), Mismatch> {
    let facts = |name: &SecretName| vault.lock().secrets.get(name).and_then(|secret| secret.facts.as_ref());
    let Some(certificate) = name.certificate_of_key() else { return Ok(()) };
    match (facts(name), facts(&certificate)) {
        (Some(Facts::PrivateKey { spki_sha256 }), Some(Facts::Certificate(of)))
            if of.spki_sha256 != *spki_sha256 =>
        {
            Err(Mismatch::Pair { key: name.clone(), certificate })
        }
        _ => Ok(()),
    }
}

/// A hash must be the hash of its password; what else is derived cannot be checked.
fn check_derived(
    name: &SecretName,
    derived: &Plaintext,
    from: &SecretName,
    source: &Plaintext,
) -> Result<(), Mismatch> {
    match password::is_hash_of(derived, source) {
        Some(false) => Err(Mismatch::Derived { name: name.clone(), from: from.clone() }),
        _ => Ok(()),
    }
}

/// A secret that is not what the vault says of it. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum Mismatch {
    /// Cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
    /// Changed since it was verified.
    #[error("{0} was changed while it was being verified")]
    #[diagnostic(help("run the command again when nothing else writes to the vault"))]
    Changed(SecretName),
    /// Does not open.
    #[error("{name}: {error}")]
    Cipher {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: CipherError,
    },
    /// Not of its kind.
    #[error("{name}: {error}")]
    Kind {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: FactsError,
    },
    /// Something else than the lock says.
    #[error("{0} is not what vault.lock says of it")]
    #[diagnostic(help(
        "the lock's facts are wrong about it: find out who signed this state, and make the secret anew"
    ))]
    Facts(SecretName),
    /// A key of another certificate.
    #[error("{key} is not the private key of {certificate}")]
    #[diagnostic(help(
        "no server starts with them: make both anew with `vaultgen certs`, or take them in with `vaultgen import`"
    ))]
    Pair {
        /// The private key.
        key: SecretName,
        /// The certificate beside it.
        certificate: SecretName,
    },
    /// Not derived from its source.
    #[error("{name} is not derived from {from}")]
    #[diagnostic(help("make both anew: the login with the one would not accept the other"))]
    Derived {
        /// The derived secret.
        name: SecretName,
        /// What it should be derived from.
        from: SecretName,
    },
}
