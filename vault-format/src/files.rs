//! Where the files of a state are read from: a folder, or whatever else can name files by their paths,
//! such as a revision in Git.

use std::fmt;

use crate::{Digest, folder::FolderError, stamp::Stamp};

/// The files of one state of a vault.
pub trait VaultFiles: fmt::Debug + Send + Sync {
    /// Reads a file of at most `limit` bytes. Parts of `path` are joined by `/`.
    ///
    /// # Errors
    ///
    /// If there is no such file, it is no regular file, lies behind a link, is longer than `limit`,
    /// or cannot be read.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FolderError>;

    /// As [`Self::read`], of a file that is to have this digest. Nothing if it has another one: however long it
    /// is, that takes little memory.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    fn read_signed(&self, path: &str, limit: u64, digest: Digest) -> Result<Option<Vec<u8>>, FolderError> {
        let bytes = self.read(path, limit)?;
        Ok((Digest::of(&bytes) == digest).then_some(bytes))
    }

    /// Lists every file, link and special file at any depth, sorted by path.
    ///
    /// # Errors
    ///
    /// If they cannot be listed.
    fn entries(&self) -> Result<Vec<Entry>, FolderError>;

    /// The state that a file is in, to be compared with that of another moment. Nothing where reading it is the
    /// only way to know.
    fn stamp(&self, path: &str) -> Option<Stamp> {
        let _ = path;
        None
    }

    /// As [`Self::read`]. Nothing if there is no such file.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    fn read_if_present(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        match self.read(path, limit) {
            Err(FolderError::Missing(_)) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// One entry among the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the vault, parts joined by `/`, with everything but printable ASCII
    /// escaped: what the repository holds may not write on the operator's terminal.
    pub path: String,
    /// Whether it is a regular file, and not a link, a socket or a device.
    pub is_plain_file: bool,
}
