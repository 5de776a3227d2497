//! The files of a folder as secrets.

use std::{
    io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Plaintext, SecretName, VaultFiles, VaultFolder, cipher::MAX_PLAINTEXT, folder::FolderError,
    name::NameError,
};

/// Every file below a folder, by its path in there. No link is followed.
///
/// # Errors
///
/// If there is anything but plain files and folders, a path is no name of a secret, a file is empty or
/// cannot be read, all of them together are longer than one secret may be, or the folder is the vault.
pub fn read(folder: &Path, vault: &Path) -> Result<Vec<(SecretName, Plaintext)>, TreeError> {
    refuse_vault(folder, vault)?;
    let files = VaultFolder::open(folder)?;
    let mut read = Vec::new();
    let mut room = MAX_PLAINTEXT as u64;
    for entry in files.entries()? {
        if !entry.is_plain_file {
            return Err(FolderError::NotPlain(files.join(&entry.path)).into());
        }
        let name =
            entry.path.parse().map_err(|error| TreeError::Name { path: files.join(&entry.path), error })?;
        let bytes = files.read(&entry.path, room).map_err(|error| match error {
            FolderError::TooLong { .. } => TreeError::Long(folder.to_owned()),
            error => error.into(),
        })?;
        if bytes.is_empty() {
            return Err(TreeError::Empty(files.join(&entry.path)));
        }
        room -= bytes.len() as u64;
        read.push((name, Plaintext::from(bytes)));
    }
    if read.is_empty() { Err(TreeError::Nothing(folder.to_owned())) } else { Ok(read) }
}

/// The vault's own private keys are no secrets of it.
fn refuse_vault(folder: &Path, vault: &Path) -> Result<(), TreeError> {
    let (Ok(real), Ok(vault)) = (folder.canonicalize(), vault.canonicalize()) else { return Ok(()) };
    if real.starts_with(&vault) || vault.starts_with(&real) {
        return Err(TreeError::Vault(folder.to_owned()));
    }
    Ok(())
}

/// Why a folder was not taken in.
#[derive(Debug, Error, Diagnostic)]
pub enum TreeError {
    /// Not a plain file or folder, or not there any more.
    #[error("{0}")]
    #[diagnostic(help(
        "a folder to add has plain files and folders only, which stay as they are meanwhile; nothing was added"
    ))]
    File(String),
    /// The system refused.
    #[error("{}: cannot be read", path.display())]
    #[diagnostic(help("check that you may read everything in the folder; nothing was added"))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// No name of a secret.
    #[error("{path}: {error}")]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong with its path.
        #[diagnostic_source]
        error: NameError,
    },
    /// A file without anything in it.
    #[error("{}: it is empty", .0.display())]
    #[diagnostic(help("a secret has one byte at least; remove the file, or move it out of the folder"))]
    Empty(PathBuf),
    /// No file.
    #[error("{}: there is no file in it", .0.display())]
    #[diagnostic(help("check the path"))]
    Nothing(PathBuf),
    /// Too much at once.
    #[error("{}: its files are longer than 1 GiB together", .0.display())]
    #[diagnostic(help(
        "add its folders one by one; keep what is that large elsewhere, and only its key in the vault"
    ))]
    Long(PathBuf),
    /// The vault itself.
    #[error("{}: the vault lies in it, or it in the vault", .0.display())]
    #[diagnostic(help("move what is to be added into a folder of its own"))]
    Vault(PathBuf),
}

/// Without the hints of [`FolderError`], which are about the vault.
impl From<FolderError> for TreeError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Io { path, error } => Self::Read { path, error },
            error => Self::File(error.to_string()),
        }
    }
}
