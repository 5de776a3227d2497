//! What is about to be committed: the check that a clone runs before each commit.

use std::{
    env,
    path::{Component, Path, PathBuf},
};

use gix::ObjectId;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{POLICY_FILE, VaultFolder, verify, verify::Warning};

use super::{git, leaks, repository};
use crate::{cli::Common, commands::status::key_files::is_private_key, git::Repository, trust::Memory};

/// Checks what the index has, which need not be what the folder has: the vault, and every other file that is about to
/// change.
///
/// # Errors
///
/// If the vault is not sound, there is a private key or a file among it that is no part of a vault, or plaintext in
/// any other file.
pub fn run(common: &Common) -> miette::Result<()> {
    let folder = VaultFolder::open(&common.vault)?;
    let repository = repository(common)?;
    if is_link(&common.vault, &repository.top().join(repository.vault())) {
        return Err(CheckError::Link(common.vault.clone()).into());
    }
    let tree = git(repository.top(), &["write-tree"])?;
    let tree = ObjectId::from_hex(tree.as_bytes()).map_err(|_| CheckError::Index)?;
    check_vault(&folder, &repository, tree)?;
    leaks::check(&repository, tree)
}

fn check_vault(folder: &VaultFolder, repository: &Repository, tree: ObjectId) -> miette::Result<()> {
    let Some(files) = repository.files_in(tree, "the index")? else {
        // Nothing of the vault is in the index.
        return Ok(());
    };
    let entries = files.entries()?;
    if let Some(key) = entries.iter().find(|entry| is_private_key(&entry.path)) {
        return Err(CheckError::PrivateKey(key.path.clone()).into());
    }
    if !entries.iter().any(|entry| entry.path == POLICY_FILE) {
        let stray = entries.first().map(|entry| entry.path.clone());
        return stray.map_or(Ok(()), |path| Err(CheckError::NoPolicy(path).into()));
    }
    let signers = Memory::open()?.signers_of(folder, &*files)?;
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

/// Whether a path below the present folder leads elsewhere than it says: the hook names the vault by its
/// path in the index, and what a link leads to is at another one.
fn is_link(vault: &Path, real: &Path) -> bool {
    let is_below = vault.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    is_below && env::current_dir().map_or(true, |here| here.join(vault) != real)
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
    #[error("{0} is about to be committed to the vault's folder, without {POLICY_FILE}")]
    #[diagnostic(help("a vault is committed as a whole: `git add` all of it, or take all of it out"))]
    NoPolicy(String),
    #[error("{} is reached by a link, so what Git has there was not checked", .0.display())]
    #[diagnostic(help("put the vault's folder back in its place, or name the folder itself with --vault"))]
    Link(PathBuf),
    #[error("Git's index has no tree that could be read")]
    #[diagnostic(help("finish or abort the merge that is under way"))]
    Index,
}
