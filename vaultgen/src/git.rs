//! The revisions of a vault in its Git repository, read without a checkout.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gix::{ObjectId, ThreadSafeRepository, objs::tree::EntryMode};
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{VaultFiles, files::Entry, folder::FolderError};

/// What Git is in the middle of, and what it calls the commit that comes in.
const INCOMING: [&str; 3] = ["MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD"];

/// The Git repository that a vault lies in.
pub struct Repository {
    repository: gix::Repository,
    top: PathBuf,
    /// The vault's path in the work tree; empty for the work tree itself.
    vault: PathBuf,
}

impl Repository {
    /// Finds the repository of the vault in `folder`.
    ///
    /// # Errors
    ///
    /// If the folder is in none, or it cannot be read.
    pub fn of(folder: &Path) -> Result<Self, GitError> {
        let none = || GitError::None(folder.to_owned());
        let folder = folder.canonicalize().map_err(|_| none())?;
        let repository = gix::discover(&folder).map_err(|_| none())?;
        let top = repository.workdir().and_then(|top| top.canonicalize().ok()).ok_or_else(none)?;
        let vault = folder.strip_prefix(&top).map_err(|_| none())?.to_owned();
        Ok(Self { repository, top, vault })
    }

    /// What is being merged, rebased or picked just now, if anything is.
    #[must_use]
    pub fn incoming(&self) -> Option<&'static str> {
        INCOMING.into_iter().find(|name| self.commit(name).is_ok())
    }

    /// The commit that `revision` names (gitrevisions(7)).
    ///
    /// # Errors
    ///
    /// If it names none.
    pub fn commit(&self, revision: &str) -> Result<ObjectId, GitError> {
        let unknown = || GitError::Unknown(revision.escape_debug().to_string());
        let id = self.repository.rev_parse_single(revision).map_err(|_| unknown())?;
        let commit = id.object().ok().and_then(|object| object.peel_to_commit().ok());
        Ok(commit.ok_or_else(unknown)?.id)
    }

    /// The commit that two others descend from.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be told.
    pub fn merge_base(&self, one: ObjectId, other: ObjectId) -> Result<ObjectId, GitError> {
        let base = self.repository.merge_base(one, other).map_err(|_| GitError::NoBase { one, other })?;
        Ok(base.detach())
    }

    /// The vault's files as a commit has them; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If the commit has no such folder, or cannot be read.
    pub fn files(&self, commit: ObjectId, name: &str) -> Result<Arc<dyn VaultFiles>, GitError> {
        let tree =
            self.repository.find_commit(commit).ok().and_then(|commit| Some(commit.tree_id().ok()?.detach()));
        self.files_in(tree.ok_or_else(|| self.no_vault(name))?, name)
    }

    /// The vault's files as a tree of the whole work tree has them; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If the tree has no such folder, or cannot be read.
    pub fn files_in(&self, tree: ObjectId, name: &str) -> Result<Arc<dyn VaultFiles>, GitError> {
        let none = || self.no_vault(name);
        let mut tree = self.repository.find_tree(tree).map_err(|_| none())?;
        if !self.vault.as_os_str().is_empty() {
            let entry = tree.lookup_entry_by_path(&self.vault).ok().flatten().ok_or_else(none)?;
            tree = entry.object().ok().and_then(|object| object.try_into_tree().ok()).ok_or_else(none)?;
        }
        let entries = tree.traverse().breadthfirst.files().map_err(|_| none())?;
        // Escaped as in a folder: whoever made the commit chose these names.
        let blobs = entries
            .into_iter()
            .filter(|entry| !entry.mode.is_tree())
            .map(|entry| (entry.filepath.escape_ascii().to_string(), (entry.oid, entry.mode)))
            .collect();
        let place = PathBuf::from(format!("{name}:{}", self.vault.display()));
        Ok(Arc::new(Revision { repository: self.repository.clone().into_sync(), place, blobs }))
    }

    /// The top of the work tree.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The vault's path in the work tree; empty for the work tree itself.
    #[must_use]
    pub fn vault(&self) -> &Path {
        &self.vault
    }

    fn no_vault(&self, name: &str) -> GitError {
        GitError::NoVault { revision: name.escape_debug().to_string(), vault: self.vault.clone() }
    }
}

/// The files of a vault in one commit.
#[derive(Debug)]
struct Revision {
    repository: ThreadSafeRepository,
    /// As Git writes it: `REVISION:PATH`.
    place: PathBuf,
    blobs: BTreeMap<String, (ObjectId, EntryMode)>,
}

impl VaultFiles for Revision {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        let place = || self.place.join(path);
        let (id, mode) = self.blobs.get(path).ok_or_else(|| FolderError::Missing(place()))?;
        if !mode.is_blob() {
            return Err(FolderError::NotPlain(place()));
        }
        let fault = |error: &dyn std::fmt::Display| FolderError::Io {
            path: place(),
            error: io::Error::other(error.to_string()),
        };
        let repository = self.repository.to_thread_local();
        let size = repository.find_header(*id).map_err(|error| fault(&error))?.size();
        if size > limit {
            return Err(FolderError::TooLong { path: place(), limit });
        }
        let mut blob = repository.find_blob(*id).map_err(|error| fault(&error))?;
        Ok(blob.take_data())
    }

    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        let entry = |(path, (_, mode)): (&String, &(ObjectId, EntryMode))| Entry {
            path: path.clone(),
            is_plain_file: mode.is_blob(),
        };
        Ok(self.blobs.iter().map(entry).collect())
    }
}

/// Why a revision of the vault cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum GitError {
    /// No repository.
    #[error("{0} is in no Git work tree")]
    #[diagnostic(help("name a vault in a clone with --vault DIR"))]
    None(PathBuf),
    /// No such commit.
    #[error("{0} is no commit of this repository")]
    #[diagnostic(help("name a branch, a tag or a commit, such as origin/main; `git fetch` may help"))]
    Unknown(String),
    /// The commit has no vault.
    #[error("{revision} has no folder {}", vault.display())]
    #[diagnostic(help("name a commit in which the vault lies at the same path"))]
    NoVault {
        /// The commit.
        revision: String,
        /// The vault's path.
        vault: PathBuf,
    },
    /// Two histories.
    #[error("{one} and {other} have no commit in common")]
    #[diagnostic(help("a shallow clone may lack it: `git fetch --unshallow`"))]
    NoBase {
        /// One commit.
        one: ObjectId,
        /// The other.
        other: ObjectId,
    },
}
