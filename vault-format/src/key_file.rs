//! Reading key files: identities and signing keys, by a path that their owner gives.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use crate::Plaintext;

/// Most bytes of a key file; a real one has a few hundred.
const MAX_BYTES: u64 = 64 * 1024;
/// Permission bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// A key file that was read.
#[derive(Debug)]
pub struct KeyFile {
    /// Its content.
    pub text: Plaintext,
    /// Whether nobody but its owner may read or write it.
    pub is_private: bool,
}

impl KeyFile {
    /// Reads the file into a buffer that never grows; nothing if there is no such file. The path
    /// comes from the owner of the key, so links are followed.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no plain file, or is longer than any key.
    pub fn read_if_present(path: &Path) -> Result<Option<Self>, KeyFileError> {
        match Self::open(path) {
            Err(KeyFileError::Missing(_)) => Ok(None),
            opened => Self::opened(opened?, path).map(Some),
        }
    }

    /// Opens a file that must be there, to be read by another process.
    ///
    /// # Errors
    ///
    /// If it is not there or may not be opened.
    pub fn open(path: &Path) -> Result<File, KeyFileError> {
        // NONBLOCK: a FIFO in its place must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        opened.map(File::from).map_err(|errno| match io::Error::from(errno) {
            error if error.kind() == io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            error => KeyFileError::Io { path: path.to_owned(), error },
        })
    }

    /// Reads a file that somebody opened before; `path` is for messages.
    ///
    /// # Errors
    ///
    /// As [`Self::read_if_present`].
    pub fn opened(mut file: File, path: &Path) -> Result<Self, KeyFileError> {
        let fault = |error| KeyFileError::Io { path: path.to_owned(), error };
        let metadata = file.metadata().map_err(fault)?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(KeyFileError::NotAKeyFile(path.to_owned()));
        }
        let mut text = Plaintext::zeroed(usize::try_from(metadata.len()).unwrap_or_default());
        file.read_exact(text.expose_mut()).map_err(fault)?;
        Ok(Self { text, is_private: metadata.mode() & OTHERS == 0 })
    }

    /// As [`Self::read_if_present`], for a file that must be there.
    ///
    /// # Errors
    ///
    /// As [`Self::read_if_present`], and if there is no such file.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Self::read_if_present(path)?.ok_or_else(|| KeyFileError::Missing(path.to_owned()))
    }
}

/// Why a key file cannot be used. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum KeyFileError {
    /// Not there.
    #[error("{0}: there is no such key file")]
    #[diagnostic(help("check the path, or restore the file from its safe copy"))]
    Missing(PathBuf),
    /// Too long, or a device.
    #[error("{0}: it is no key file")]
    #[diagnostic(help("a key file is a plain file of less than 64 KiB"))]
    NotAKeyFile(PathBuf),
    /// Cannot be read.
    #[error("{path}")]
    #[diagnostic(help("check that you may read it"))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}
