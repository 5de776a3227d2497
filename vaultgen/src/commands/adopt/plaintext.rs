//! Plaintext that Odoo Box left beside the ciphertext: found, compared, and removed on request.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    Digest, Identities, Plaintext, SecretName, VaultFiles, Verified, cipher, folder::MAX_FILE, legacy,
    transaction::ExclusiveFolder, verify::Warning,
};

use crate::{cli::Common, commands};

/// How a plaintext file stands to the vault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The ciphertext opens to the same.
    Same,
    /// It opens to something else.
    Differs,
    /// There is no ciphertext, or none that opens.
    Alone,
}

/// Says which plaintext there is and, if `remove` is set, removes what its ciphertext opens to. The rest
/// may be the only copy, and stays.
///
/// # Errors
///
/// If a file cannot be read or removed.
pub fn handle(
    folder: &ExclusiveFolder,
    vault: &Verified,
    identities: &Identities,
    remove: bool,
    common: &Common,
) -> miette::Result<()> {
    let found = find(folder, vault, identities)?;
    let of = |wanted: State| {
        let paths = found.iter().filter(move |(_, state)| *state == wanted);
        paths.map(|(path, _)| path.as_str()).collect::<Vec<_>>()
    };
    let same = of(State::Same);
    if remove && !same.is_empty() {
        let mut staging = folder.stage()?;
        same.iter().for_each(|path| staging.remove(*path));
        staging.commit()?;
        commands::say(common.quiet, "removed plaintext, which the disk may still hold:");
        same.iter().for_each(|path| commands::say(common.quiet, &format!("  {path}")));
    }
    let left = [
        (State::Same, "plaintext beside its ciphertext: `vaultgen adopt --remove-plaintext` removes"),
        (State::Differs, "plaintext that is not what its ciphertext opens to: compare, then remove"),
        (State::Alone, "plaintext that is in no secret that could be opened: `vaultgen add` it, or remove"),
    ];
    for (state, note) in left {
        let paths = of(state);
        let is_removed = remove && state == State::Same;
        if !paths.is_empty() && !is_removed {
            commands::warn(&format!("{note} {}", paths.join(", ")));
        }
    }
    Ok(())
}

/// Whether there is any, of which ciphertext would have to be opened to judge it.
pub fn is_left(vault: &Verified) -> bool {
    beside(vault).next().is_some()
}

/// What lies where Odoo Box had plaintext.
fn beside(vault: &Verified) -> impl Iterator<Item = &str> {
    let unlisted = vault.warnings().iter().filter_map(|warning| match warning {
        Warning::Unlisted(path) => Some(path.as_str()),
        _ => None,
    });
    unlisted.filter(|path| legacy::FOLDERS.iter().any(|folder| path.starts_with(folder)))
}

fn find(
    folder: &ExclusiveFolder,
    vault: &Verified,
    identities: &Identities,
) -> miette::Result<Vec<(String, State)>> {
    let judged = beside(vault).collect::<Vec<_>>().into_par_iter().map(|path| {
        let state = judge(folder, vault, identities, path)?;
        Ok((path.to_owned(), state))
    });
    judged.collect()
}

fn judge(
    folder: &ExclusiveFolder,
    vault: &Verified,
    identities: &Identities,
    path: &str,
) -> miette::Result<State> {
    let Some(name) = secret_of(vault, path) else { return Ok(State::Alone) };
    let ciphertext = folder.folder().read(&name.ciphertext_path(), MAX_FILE)?;
    if Digest::of(&ciphertext) != vault.lock().secrets[&name].sha256 {
        return Ok(State::Alone);
    }
    let Ok(value) = cipher::decrypt(&ciphertext, identities) else { return Ok(State::Alone) };
    let file = Plaintext::from(folder.folder().read(path, MAX_FILE)?);
    let kind = vault.policy().secret(&name).kind;
    Ok(if legacy::is_value(kind, &file, &value) { State::Same } else { State::Differs })
}

/// The secret that a plaintext file was one of, also by its spelling of old.
fn secret_of(vault: &Verified, path: &str) -> Option<SecretName> {
    let name: SecretName = path.parse().ok()?;
    let names = [Some(name.clone()), legacy::standard_spelling(&name)];
    names.into_iter().flatten().find(|name| vault.lock().secrets.contains_key(name))
}
