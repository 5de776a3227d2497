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
    let opened = |name: &SecretName| {
        let Some(secret) = vault.lock().secrets.get(name) else { return Ok(None) };
        let is_ours = !secret.recipients.is_disjoint(&ours);
        // Whom the identity of a plugin is for may be known to the plugin alone.
        if !is_ours && identities.know_their_recipients() {
            return Ok(None);
        }
        match open(files, vault, name, identities) {
            Err(Mismatch::Cipher { error: CipherError::NoMatchingIdentity, .. }) if !is_ours => Ok(None),
            opened => opened.map(Some),
        }
    };
    let inspect_one = |name: &SecretName| {
        let Some(plaintext) = opened(name)? else { return Ok(0) };
        check_facts(vault, name, &plaintext)?;
        check_pair(vault, name)?;
        let from = vault.policy().secret(name).from.as_ref();
        if let Some((from, source)) = from.and_then(|from| Some((from, opened(from).transpose()?))) {
            check_derived(name, &plaintext, from, &source?)?;
        }
        Ok(1)
    };
    let secrets = &vault.lock().secrets;
    let work = Work::on("opening", secrets.len());
    let inspected = secrets.par_iter().map(|(name, _)| inspect_one(name)).inspect(|_| work.advances());
    let inspected: Vec<_> = inspected.collect();
    // What does not fit was opened too.
    let count = inspected.iter().map(|opened| *opened.as_ref().unwrap_or(&1)).sum();
    (count, inspected.into_iter().filter_map(Result::err).collect())
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
