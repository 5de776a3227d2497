//! Where in a repository vaults lie.

use std::collections::BTreeSet;

use vault_format::{CIPHERTEXT_SUFFIX, LOCK_FILE, POLICY_FILE, legacy};

use super::repository::FileChange;

/// The folders that had a vault or may have one after these changes; `only` one of them, if one is asked about.
#[must_use]
pub fn folders(only: Option<&str>, present: &BTreeSet<String>, changes: &[FileChange]) -> BTreeSet<String> {
    let came = changes.iter().filter(|change| change.now.is_some()).filter_map(|change| {
        let path = std::str::from_utf8(&change.path).ok()?;
        vault_of(path)
    });
    let all = present.iter().map(String::as_str).chain(came);
    let all: BTreeSet<&str> = all.filter(|folder| only.is_none_or(|only| only == *folder)).collect();
    // A folder that is part of a vault is no vault of its own.
    let inner = |folder: &str| all.iter().any(|outer| *outer != folder && is_in(folder.as_bytes(), outer));
    all.iter().filter(|folder| !inner(folder)).map(|folder| (*folder).to_owned()).collect()
}

/// Whether a path lies in a folder of the repository.
#[must_use]
pub fn is_in(path: &[u8], folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Whether a file of this path says that its folder is a vault.
#[must_use]
pub fn is_of_vault(path: &str) -> bool {
    path == POLICY_FILE || path == LOCK_FILE || is_legacy(path)
}

/// The folder of the vault that a file with this path says there is.
fn vault_of(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if file == POLICY_FILE || file == LOCK_FILE {
        return Some(folder);
    }
    // A vault of Odoo Box is known by the files in its folders.
    let (outer, inner) = folder.rsplit_once('/').unwrap_or(("", folder));
    is_legacy(&format!("{inner}/{file}")).then_some(outer)
}

/// Whether a file of this path in a vault's folder says that it is one of Odoo Box.
fn is_legacy(path: &str) -> bool {
    let name = legacy::FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
    name.is_some_and(|name| name.ends_with(CIPHERTEXT_SUFFIX) && !name.contains('/'))
}
