//! What is about to be committed: the check that a clone runs before each commit.

use gix::ObjectId;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{POLICY_FILE, VaultFolder, verify, verify::Warning};

use super::git;
use crate::{cli::Common, commands::status::key_files::is_private_key, git::Repository, trust::Memory};

/// Checks the vault as the index has it, which need not be as the folder has it.
///
/// # Errors
///
/// If it is not sound, or there is a private key or a file among it that is no part of a vault.
pub fn run(common: &Common) -> miette::Result<()> {
    let folder = VaultFolder::open(&common.vault)?;
    let repository = Repository::of(&common.vault)?;
    let tree = git(repository.top(), &["write-tree"])?;
    let tree = ObjectId::from_hex(tree.as_bytes()).map_err(|_| CheckError::Index)?;
    let Ok(files) = repository.files_in(tree, "the index") else {
        // Nothing of the vault is in the index.
        return Ok(());
    };
    let entries = files.entries()?;
    if let Some(key) = entries.iter().find(|entry| is_private_key(&entry.path)) {
        return Err(CheckError::PrivateKey(key.path.clone()).into());
    }
    if !entries.iter().any(|entry| entry.path == POLICY_FILE) {
        return Ok(());
    }
    let signers = Memory::open()?.signers_of(&folder, &*files)?;
    let vault = verify(&*files, &signers, |_, _| false)
        .map_err(|error| miette::Report::new(error).wrap_err("what is about to be committed"))?;
    let stray = vault.warnings().iter().find_map(|warning| match warning {
        Warning::Unlisted(path) => Some(path),
        _ => None,
    });
    match stray {
        Some(path) => Err(CheckError::Stray(path.clone()).into()),
        None => Ok(()),
    }
}

/// What must not be committed.
#[derive(Debug, Error, Diagnostic)]
enum CheckError {
    #[error("{0} is a private key, and about to be committed")]
    #[diagnostic(help("take it out with `git rm --cached FILE`; keep it elsewhere"))]
    PrivateKey(String),
    #[error("{0} is no part of the vault, and about to be committed")]
    #[diagnostic(help(
        "if it is plaintext, take it out with `git rm --cached FILE`; the vault's folder is for the vault alone"
    ))]
    Stray(String),
    #[error("Git's index has no tree that could be read")]
    #[diagnostic(help("finish or abort the merge that is under way"))]
    Index,
}
