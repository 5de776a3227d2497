//! A vault of Odoo Box as it is: age files that nobody signed, with the owners that Odoo Box uses.

use std::sync::Arc;
use std::time::SystemTime;

use rayon::prelude::*;
use vault_format::cipher;
use vault_format::folder::{FolderError, MAX_FILE};
use vault_format::legacy;
use vault_format::policy::{Access, Mode};
use vault_format::{Digest, SecretName, VaultFiles};

use super::{Examined, Findings, Order, Origin, Plan, PlannedFile, VerifyError};
use crate::snapshot::Recorder;

/// Reads every secret of the folder. None of it is verified, since there is nothing to verify it by; all else
/// is as for a signed vault.
///
/// # Errors
/// If any file of a signed vault is there, or a name or file is not what a vault may hold.
pub(super) fn examine(order: &Order, recorder: Recorder<'_>) -> Result<Examined, VerifyError> {
    refuse_signed(order, &recorder)?;
    let secrets = read(order, &recorder)?;
    // It may have been adopted meanwhile, and half of what we read be new.
    refuse_signed(order, &recorder)?;
    let snapshot = recorder.finish()?;
    let mut plan = Plan::default();
    let now = SystemTime::now();
    for (path, name, digest) in paths(&secrets) {
        let origin = Origin::Ciphertext(snapshot.span(&name.ciphertext_path()));
        plan.files.push(PlannedFile::new(&path, &access(&path), now, *digest, origin));
    }
    let warning = format!(
        "UNSIGNED: nothing in {} is verified; whoever can write there, or to its repository, decides what the \
         services of this machine get. Turn it into a signed vault with `vaultgen adopt`",
        order.vault.display()
    );
    let findings = Findings { facts: None, names: plan.names(), is_whole: true, warnings: vec![warning] };
    Ok(Examined { findings, plan, snapshot })
}

/// A vault is served by its signature, or it has none.
fn refuse_signed(order: &Order, files: &dyn VaultFiles) -> Result<(), VerifyError> {
    match legacy::signed_entry(&files.entries()?) {
        Some(file) => Err(VerifyError::Signed(order.vault.join(file))),
        None => Ok(()),
    }
}

/// The secrets, each with the digest of its ciphertext, in the order of their names.
fn read(order: &Order, files: &dyn VaultFiles) -> Result<Vec<(SecretName, Digest)>, VerifyError> {
    let entries = files.entries()?;
    if let Some(strange) = entries.iter().find(|entry| !entry.is_plain_file) {
        return Err(FolderError::NotPlain(order.vault.join(&strange.path)).into());
    }
    let names = entries.iter().filter_map(|entry| legacy::name_of(&entry.path));
    let names = names.collect::<Result<Vec<SecretName>, _>>()?;
    let read = names.into_par_iter().map(|name| {
        let ciphertext = files.read(&name.ciphertext_path(), MAX_FILE)?;
        match cipher::Header::parse(&ciphertext) {
            Ok(_) => Ok((name, Digest::of(&ciphertext))),
            Err(error) => Err(VerifyError::Cipher { name, error }),
        }
    });
    read.collect()
}

/// Each secret under its own name, and one that is spelled as of old under that of today too.
fn paths(secrets: &[(SecretName, Digest)]) -> Vec<(SecretName, &SecretName, &Digest)> {
    let own = secrets.iter().map(|(name, digest)| (name.clone(), name, digest));
    let today = secrets.iter().filter_map(|(name, digest)| {
        let today = legacy::standard_spelling(name)?;
        let is_taken = secrets.iter().any(|(other, _)| *other == today);
        (!is_taken).then_some((today, name, digest))
    });
    own.chain(today).collect()
}

/// Odoo Box gives every file to its owner alone.
fn access(path: &SecretName) -> Access {
    let owner = legacy::owner(path).to_owned();
    Access { group: owner.clone(), owner, mode: Mode::OWNER_ONLY, services: Arc::default() }
}
