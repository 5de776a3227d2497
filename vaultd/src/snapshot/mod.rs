//! The bytes of a vault as they were verified: ciphertext and public files, no plaintext.
//!
//! A snapshot is a tar file. [`Recorder`] makes one of what is read while a vault is verified, in a
//! sealed memory object, so that whoever decrypts later reads what was verified, and not what a
//! `git pull` has put there since. The last good one is kept on disk, where nothing can be sealed: it
//! is recorded and verified anew before use.
//!
//! What is kept on disk grows: behind a whole snapshot come others, each with the files that were read for a later
//! state, and with the paths of those that it has no more (tar knows such archives, `tar -i`).

mod index;
mod recorder;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use miette::Diagnostic;
use rustix::fs::SealFlags;
use thiserror::Error;
use vault_format::VaultFiles;
use vault_format::files::Entry;
use vault_format::folder::FolderError;
use vault_format::stamp::Stamp;

pub use recorder::Recorder;

/// What keeps a memory object as it is for ever.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// The files of one state of a vault, in one tar file. Nothing but their places is held in memory.
#[derive(Debug)]
pub struct Snapshot {
    file: File,
    spans: BTreeMap<String, Range<u64>>,
    stamps: BTreeMap<String, Stamp>,
}

impl Snapshot {
    /// Reads where each file lies in a snapshot, which may have been damaged or made by somebody else.
    /// The descriptor's position is neither used nor changed: other processes may share it.
    ///
    /// # Errors
    /// [`SnapshotError`]: it cannot be read, or is not just what a [`Recorder`] writes.
    pub fn from_file(file: impl Into<OwnedFd>) -> Result<Self, SnapshotError> {
        Self::from_file_up_to(file, None)
    }

    /// As [`Self::from_file`], of a file in which what is behind `length` may have been cut off while it was written.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn from_file_up_to(file: impl Into<OwnedFd>, length: Option<u64>) -> Result<Self, SnapshotError> {
        let file = File::from(file.into());
        let spans = index::read(&file, length)?;
        Ok(Self { file, spans, stamps: BTreeMap::new() })
    }

    /// The state that a file was in when it was read, if that tells whether it was changed since.
    #[must_use]
    pub fn stamp(&self, path: &str) -> Option<Stamp> {
        self.stamps.get(path).copied()
    }

    /// Where the bytes of a file lie in it.
    #[must_use]
    pub fn span(&self, path: &str) -> Option<Range<u64>> {
        self.spans.get(path).cloned()
    }

    fn bytes(&self, span: &Range<u64>) -> io::Result<Vec<u8>> {
        bytes(&self.file, span)
    }
}

/// Its descriptor, to be handed to another process.
impl AsFd for Snapshot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl VaultFiles for Snapshot {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        let span = self.spans.get(path).ok_or_else(|| FolderError::Missing(path.into()))?;
        refuse_longer(path, span, limit)?;
        self.bytes(span).map_err(|error| FolderError::Io { path: path.into(), error })
    }

    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        let shown = |path: &String| path.as_bytes().escape_ascii().to_string();
        let mut entries: Vec<Entry> =
            self.spans.keys().map(|path| Entry { path: shown(path), is_plain_file: true }).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

/// Whether nobody can ever change what is in this file.
///
/// # Errors
/// The kernel cannot tell; of a file on disk it says that it can be changed.
pub fn is_sealed(file: impl AsFd) -> io::Result<bool> {
    match rustix::fs::fcntl_get_seals(file) {
        Err(rustix::io::Errno::INVAL) => Ok(false),
        seals => Ok(seals?.contains(SEALS)),
    }
}

/// Writes a snapshot to where `target` is, without looking into it, in the kernel (sendfile(2)).
///
/// # Errors
/// It cannot be read, or `target` cannot take it.
pub fn copy(snapshot: impl AsFd, target: &File) -> io::Result<()> {
    let size = u64::try_from(rustix::fs::fstat(&snapshot)?.st_size).map_err(io::Error::other)?;
    let mut at = 0;
    while at < size {
        let rest = usize::try_from(size - at).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(target, &snapshot, Some(&mut at), rest)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn refuse_longer(path: &str, span: &Range<u64>, limit: u64) -> Result<(), FolderError> {
    match span.end - span.start > limit {
        true => Err(FolderError::TooLong { path: path.into(), limit }),
        false => Ok(()),
    }
}

/// Into a buffer that never grows, wherever the descriptor's position is.
fn bytes(file: &File, span: &Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(span.end - span.start).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, span.start)?;
    Ok(bytes)
}

/// Why a file is no snapshot of a vault.
#[derive(Debug, Error, Diagnostic)]
pub enum SnapshotError {
    /// It cannot be read.
    #[error("cannot read the kept copy of the vault")]
    #[diagnostic(help("check the disk; the copy is made anew when the next vault is accepted"))]
    Read(#[source] io::Error),
    /// Not what we write.
    #[error("the kept copy of the vault is damaged: {0}")]
    #[diagnostic(help("check the disk; the copy is made anew when the next vault is accepted"))]
    Damaged(&'static str),
    /// A name that no file of a vault has.
    #[error("the kept copy of the vault is damaged: it has a file with the name {}", .0.display())]
    #[diagnostic(help("check the disk; the copy is made anew when the next vault is accepted"))]
    Name(PathBuf),
    /// Two files with one name.
    #[error("the kept copy of the vault is damaged: it has two files with the name {0}")]
    #[diagnostic(help("check the disk; the copy is made anew when the next vault is accepted"))]
    Twice(String),
}

#[cfg(test)]
mod tests;
