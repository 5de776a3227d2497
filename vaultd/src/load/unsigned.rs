//! A vault of Odoo Box as it is: age files that nobody signed, with the owners that Odoo Box uses.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rayon::prelude::*;
use vault_format::cipher;
use vault_format::folder::{FolderError, MAX_FILE};
use vault_format::legacy;
use vault_format::signers::AllowedSigners;
use vault_format::{Identities, SecretName, VaultFiles, VaultFolder};

use super::{DecryptFailure, LoadError, Loaded, Source, identities};
use crate::generation::{BuildError, Entry, Generation};
use crate::owner::Owners;

/// Odoo Box gives every file to its owner alone.
const MODE: u16 = 0o400;

/// What was read of the folder.
#[derive(Default)]
struct Files {
    /// What opens.
    served: BTreeMap<SecretName, Vec<u8>>,
    /// What is encrypted to others.
    foreign: Vec<SecretName>,
}

/// Reads and decrypts what the identities open. None of it is verified, since there is nothing to verify
/// it by; all else is as for a signed vault.
///
/// # Errors
/// If any file of a signed vault is there, a name or file is not what a vault may hold, or anything that
/// is encrypted to us does not decrypt.
pub(super) fn load(source: &Source) -> Result<Loaded, LoadError> {
    let identities = identities(source)?;
    if !source.allow_snakeoil {
        snakeoil::refuse_keys(&identities.recipients(), &AllowedSigners::default())?;
    }
    let folder = VaultFolder::open(&source.vault)?;
    refuse_signed(&folder)?;
    let files = read(&folder, &identities)?;
    // It may have been adopted meanwhile, and half of what we read be new.
    refuse_signed(&folder)?;
    if files.served.is_empty() {
        return Err(LoadError::Nothing(source.vault.clone()));
    }
    decrypt(source, &files, &identities)
}

/// A vault is served by its signature, or it has none.
fn refuse_signed(folder: &VaultFolder) -> Result<(), LoadError> {
    match legacy::signed_file(folder) {
        Some(file) => Err(LoadError::Signed(folder.join(file))),
        None => Ok(()),
    }
}

fn read(folder: &VaultFolder, identities: &Identities) -> Result<Files, LoadError> {
    let entries = folder.entries()?;
    if let Some(strange) = entries.iter().find(|entry| !entry.is_plain_file) {
        return Err(FolderError::NotPlain(folder.join(&strange.path)).into());
    }
    let names = entries.iter().filter_map(|entry| legacy::name_of(&entry.path));
    let names = names.collect::<Result<Vec<SecretName>, _>>()?;
    let read = names.into_par_iter().map(|name| {
        let ciphertext = folder.read(&name.ciphertext_path(), MAX_FILE)?;
        match cipher::opens(&ciphertext, identities) {
            Ok(true) => Ok((name, Some(ciphertext))),
            Ok(false) => Ok((name, None)),
            Err(error) => Err(LoadError::Decrypt { failures: vec![DecryptFailure { name, error }] }),
        }
    });
    let mut files = Files::default();
    for (name, ciphertext) in read.collect::<Result<Vec<_>, LoadError>>()? {
        match ciphertext {
            Some(ciphertext) => drop(files.served.insert(name, ciphertext)),
            None => files.foreign.push(name),
        }
    }
    Ok(files)
}

fn decrypt(source: &Source, files: &Files, identities: &Identities) -> Result<Loaded, LoadError> {
    let served = paths(files);
    let mut owners = Owners::default();
    let entries =
        served.iter().map(|(path, bytes)| entry(path, bytes, &mut owners)).collect::<Result<Vec<_>, _>>()?;
    let generation = Generation::build(&entries, source.locking(), |index, plaintext| {
        cipher::decrypt_into(served[index].1, identities, plaintext)
    });
    let generation = generation.map_err(|error| match error {
        BuildError::Fill(failed) => {
            let failed = failed.into_iter();
            let failed = failed.map(|(index, error)| DecryptFailure { name: served[index].0.clone(), error });
            LoadError::Decrypt { failures: failed.collect() }
        }
        error => LoadError::Build(error),
    })?;
    Ok(Loaded { generation, warnings: warnings(source, files, &owners) })
}

/// Each secret under its own name, and one that is spelled as of old under that of today too.
fn paths(files: &Files) -> Vec<(SecretName, &[u8])> {
    let own = files.served.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice()));
    let today = files.served.iter().filter_map(|(name, bytes)| {
        let name = legacy::standard_spelling(name)?;
        (!files.served.contains_key(&name)).then_some((name, bytes.as_slice()))
    });
    own.chain(today).collect()
}

fn entry(path: &SecretName, ciphertext: &[u8], owners: &mut Owners) -> Result<Entry, LoadError> {
    let owner = legacy::owner(path);
    let ownership = owners.resolve(owner, owner, MODE)?;
    let size = cipher::plaintext_len(ciphertext).map_err(|error| LoadError::Decrypt {
        failures: vec![DecryptFailure { name: path.clone(), error }],
    })?;
    Ok(Entry {
        path: path.to_string(),
        owner: ownership.owner,
        group: ownership.group,
        mode: ownership.mode,
        modified: SystemTime::now(),
        size,
    })
}

fn warnings(source: &Source, files: &Files, owners: &Owners) -> Vec<String> {
    let mut warnings = vec![format!(
        "UNSIGNED: nothing in {} is verified; whoever can write there, or to its repository, decides what the \
         services of this machine get. Turn it into a signed vault with `vaultgen adopt`",
        source.vault.display()
    )];
    let foreign = files.foreign.iter();
    warnings.extend(foreign.map(|name| format!("{name} is encrypted to other keys, and is not served")));
    warnings.extend(
        owners
            .unknown()
            .iter()
            .map(|name| format!("there is no user or group {name}: its files are left to root")),
    );
    warnings
}
