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
        let none = || GitError::None(shown(folder));
        let folder = folder.canonicalize().map_err(|_| none())?;
        let repository = gix::discover(&folder).map_err(|error| match error {
            // One that is there must not be taken for none.
            gix::discover::Error::Open(error) => {
                GitError::Open { folder: shown(&folder), error: Box::new(error) }
            }
            gix::discover::Error::Discover(_) => none(),
        })?;
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
        let unknown = || GitError::Unknown(escaped(revision));
        let id = self.repository.rev_parse_single(revision).map_err(|_| unknown())?;
        let commit = id.object().ok().and_then(|object| object.peel_to_commit().ok());
        Ok(commit.ok_or_else(unknown)?.id)
    }

    /// Every commit that these descend from, and themselves, in no order that anybody vouches for.
    ///
    /// # Errors
    ///
    /// If the history cannot be read.
    pub fn history(&self, tips: &[ObjectId]) -> Result<impl Iterator<Item = ObjectId>, GitError> {
        let walk = self.repository.rev_walk(tips.iter().copied()).all().map_err(|_| GitError::History)?;
        Ok(walk.filter_map(|commit| commit.ok().map(|commit| commit.id)))
    }

    /// The blob of one of the vault's files in a commit, if it has one there: the same for the same bytes.
    #[must_use]
    pub fn blob(&self, commit: ObjectId, file: &str) -> Option<ObjectId> {
        let tree = self.repository.find_commit(commit).ok()?.tree().ok()?;
        Some(tree.lookup_entry_by_path(self.vault.join(file)).ok()??.object_id())
    }

    /// The vault's files as a commit has them; `name` is for messages.
    ///
    /// # Errors
    ///
    /// If the commit has no such folder, or cannot be read.
    pub fn files(&self, commit: ObjectId, name: &str) -> Result<Arc<dyn VaultFiles>, GitError> {
        let tree =
            self.repository.find_commit(commit).ok().and_then(|commit| Some(commit.tree_id().ok()?.detach()));
        let none = || GitError::NoVault { revision: escaped(name), vault: shown(&self.vault) };
        self.files_in(tree.ok_or_else(none)?, name)?.ok_or_else(none)
    }

    /// The vault's files as a tree of the whole work tree has them; `name` is for messages. Nothing if
    /// the tree has nothing at the vault's path.
    ///
    /// # Errors
    ///
    /// If there is something else than a folder, or the tree cannot be read.
    pub fn files_in(&self, tree: ObjectId, name: &str) -> Result<Option<Arc<dyn VaultFiles>>, GitError> {
        let revision = Revision::of(&self.repository, tree, &self.vault, name)?;
        Ok(revision.map(|revision| Arc::new(revision) as Arc<dyn VaultFiles>))
    }

    /// The bytes of a blob; nothing if it has more than `limit`. `name` is for messages.
    ///
    /// # Errors
    ///
    /// If there is no such blob, or it cannot be read.
    pub fn bytes_of(&self, blob: ObjectId, limit: u64, name: &str) -> Result<Option<Vec<u8>>, GitError> {
        let unreadable = || GitError::Unreadable(escaped(name));
        let size = self.repository.find_header(blob).map_err(|_| unreadable())?.size();
        if size > limit {
            return Ok(None);
        }
        self.repository.find_blob(blob).map(|mut blob| Some(blob.take_data())).map_err(|_| unreadable())
    }

    /// Where the repository keeps what belongs to this work tree.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        self.repository.git_dir()
    }

    /// Where the repository keeps what belongs to all of its work trees.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        self.repository.common_dir()
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
}

/// A path for a message: it may come from somebody else, and not write on the terminal.
fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

fn escaped(text: &str) -> String {
    text.escape_debug().to_string()
}

/// The files of a vault in one commit.
#[derive(Debug)]
pub struct Revision {
    repository: ThreadSafeRepository,
    /// As Git writes it: `REVISION:PATH`.
    place: PathBuf,
    blobs: BTreeMap<String, (ObjectId, EntryMode)>,
}

impl Revision {
    /// The files of the folder `vault` in a tree of a whole work tree; `name` is for messages. Nothing if the tree has
    /// nothing there.
    ///
    /// # Errors
    ///
    /// If there is something else than a folder, or the tree cannot be read.
    pub fn of(
        repository: &gix::Repository,
        tree: ObjectId,
        vault: &Path,
        name: &str,
    ) -> Result<Option<Self>, GitError> {
        let unreadable = || GitError::Unreadable(escaped(name));
        let mut tree = repository.find_tree(tree).map_err(|_| unreadable())?;
        for part in vault.components() {
            let part = part.as_os_str().as_encoded_bytes();
            let entries = tree.decode().map_err(|_| unreadable())?.entries;
            let Some(entry) = entries.iter().find(|entry| *entry.filename == *part) else { return Ok(None) };
            if !entry.mode.is_tree() {
                return Err(GitError::NoFolder { revision: escaped(name), vault: shown(vault) });
            }
            tree = repository.find_tree(entry.oid).map_err(|_| unreadable())?;
        }
        let entries = tree.traverse().breadthfirst.files().map_err(|_| unreadable())?;
        // Escaped as in a folder: whoever made the commit chose these names.
        let blobs = entries
            .into_iter()
            .filter(|entry| !entry.mode.is_tree())
            .map(|entry| (entry.filepath.escape_ascii().to_string(), (entry.oid, entry.mode)))
            .collect();
        let place = PathBuf::from(format!("{}:{}", escaped(name), shown(vault)));
        Ok(Some(Self { repository: repository.clone().into_sync(), place, blobs }))
    }

    /// The blob of a file: the same for the same bytes.
    #[must_use]
    pub fn blob(&self, path: &str) -> Option<ObjectId> {
        self.blobs.get(path).filter(|(_, mode)| mode.is_blob()).map(|(id, _)| *id)
    }

    /// The paths and the blobs of its files.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        let files = self.blobs.iter().filter(|(_, (_, mode))| mode.is_blob());
        files.map(|(path, (blob, _))| (path.as_str(), *blob))
    }

    /// The paths of its files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.blobs.keys().map(String::as_str)
    }

    /// What the paths of its files begin with in errors.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }
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
    #[diagnostic(help(
        "go to a clone that has its files checked out, so no bare one, or name a vault in one with --vault DIR"
    ))]
    None(String),
    /// A repository that we cannot read.
    #[error("the Git repository of {folder} cannot be opened")]
    #[diagnostic(help(
        "vaultgen reads repositories of object format sha1: `git rev-parse --show-object-format`"
    ))]
    Open {
        /// The vault's folder.
        folder: String,
        /// Why.
        #[source]
        error: Box<gix::open::Error>,
    },
    /// No such commit.
    #[error("{0} is no commit of this repository")]
    #[diagnostic(help("name a branch, a tag or a commit, such as origin/main; `git fetch` may help"))]
    Unknown(String),
    /// The commit has no vault.
    #[error("{revision} has no folder {vault}")]
    #[diagnostic(help("name a commit in which the vault lies at the same path"))]
    NoVault {
        /// The commit.
        revision: String,
        /// The vault's path.
        vault: String,
    },
    /// A link, a file or a submodule lies where the vault should, or above it.
    #[error("{vault} is no folder in {revision}")]
    #[diagnostic(help("find out who replaced it: `git log -- PATH`, `git diff --cached`"))]
    NoFolder {
        /// The commit.
        revision: String,
        /// The vault's path.
        vault: String,
    },
    /// Objects are missing or damaged.
    #[error("{0} cannot be read from the Git repository")]
    #[diagnostic(help("check the repository with `git fsck`"))]
    Unreadable(String),
    /// No history.
    #[error("the history of this repository cannot be read")]
    #[diagnostic(help("a shallow clone may lack it: `git fetch --unshallow`"))]
    History,
}
