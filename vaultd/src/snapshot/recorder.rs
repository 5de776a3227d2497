//! Keeping what is read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use tar::{Builder, Header};
use vault_format::files::Entry;
use vault_format::folder::FolderError;
use vault_format::{Digest, VaultFiles};

use super::index::{BLOCK, MAX_PATH};
use super::{SEALS, Snapshot, bytes, refuse_longer};

/// The files of a vault, of which each that is read is kept. What was read once is read from what is
/// kept, so that all who ask for a file get the same bytes.
pub struct Recorder<'a> {
    files: &'a dyn VaultFiles,
    memory: File,
    /// Most bytes that are kept.
    most: u64,
    kept: Mutex<Kept>,
}

/// What was read so far.
struct Kept {
    /// Nothing once a file could not be kept whole.
    archive: Option<Builder<File>>,
    spans: BTreeMap<String, Range<u64>>,
    /// How many they are, without the headers between them.
    bytes: u64,
}

impl<'a> Recorder<'a> {
    /// Begins with nothing kept. What it keeps takes up to half of the machine's memory: at least as much is
    /// needed for the plaintext.
    ///
    /// # Errors
    /// The kernel gives no memory object.
    pub fn new(files: &'a dyn VaultFiles) -> io::Result<Self> {
        let machine = rustix::system::sysinfo();
        Self::up_to(machine.totalram.saturating_mul(machine.mem_unit.into()) / 2, files)
    }

    /// As [`Self::new`], and keeps this many bytes at most.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn up_to(most: u64, files: &'a dyn VaultFiles) -> io::Result<Self> {
        let memory = memory_object()?;
        let archive = Some(Builder::new(memory.try_clone()?));
        Ok(Self { files, memory, most, kept: Mutex::new(Kept { archive, spans: BTreeMap::new(), bytes: 0 }) })
    }

    /// What was kept, closed to any change.
    ///
    /// # Errors
    /// There was no memory for some of it, or the kernel does not seal it.
    pub fn finish(self) -> io::Result<Snapshot> {
        let kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        drop(kept.archive.ok_or_else(incomplete)?.into_inner()?);
        rustix::fs::fcntl_add_seals(&self.memory, SEALS)?;
        Ok(Snapshot { file: self.memory, spans: kept.spans })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, path: &str, bytes: &[u8]) -> Result<Keeping, FolderError> {
        let kept = self.kept().keep(path, bytes, self.most);
        kept.map_err(|error| FolderError::Io { path: path.into(), error })
    }

    /// What was kept of a file.
    fn again(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let Some(span) = self.kept().spans.get(path).cloned() else { return Ok(None) };
        refuse_longer(path, &span, limit)?;
        let read = bytes(&self.memory, &span);
        read.map(Some).map_err(|error| FolderError::Io { path: path.into(), error })
    }
}

impl VaultFiles for Recorder<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        if let Some(bytes) = self.again(path, limit)? {
            return Ok(bytes);
        }
        let bytes = self.files.read(path, limit)?;
        match self.keep(path, &bytes)? {
            Keeping::New => Ok(bytes),
            // Somebody else read it at the same time, and perhaps other bytes.
            Keeping::Known => self.again(path, limit).map(Option::unwrap_or_default),
        }
    }

    /// Another file than was signed is not kept: it may be as long as there is memory.
    fn read_signed(&self, path: &str, limit: u64, digest: Digest) -> Result<Option<Vec<u8>>, FolderError> {
        let same = |bytes: &Vec<u8>| Digest::of(bytes) == digest;
        if let Some(bytes) = self.again(path, limit)? {
            return Ok(Some(bytes).filter(same));
        }
        let Some(bytes) = self.files.read_signed(path, limit, digest)? else { return Ok(None) };
        match self.keep(path, &bytes)? {
            Keeping::New => Ok(Some(bytes)),
            Keeping::Known => Ok(self.again(path, limit)?.filter(same)),
        }
    }

    /// As the files themselves list them.
    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        self.files.entries()
    }
}

/// Whether a file was kept before.
enum Keeping {
    New,
    Known,
}

impl Kept {
    fn keep(&mut self, path: &str, bytes: &[u8], most: u64) -> io::Result<Keeping> {
        if self.spans.contains_key(path) {
            return Ok(Keeping::Known);
        }
        let all = self.bytes + bytes.len() as u64;
        if all > most {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "with it the vault takes more than half of this machine's memory",
            ));
        }
        if path.len() > MAX_PATH {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // Put back only when all went well: after half of a file nothing can follow.
        let mut archive = self.archive.take().ok_or_else(incomplete)?;
        let span = append(&mut archive, path, bytes)?;
        self.archive = Some(archive);
        self.spans.insert(path.to_owned(), span);
        self.bytes = all;
        Ok(Keeping::New)
    }
}

fn append(archive: &mut Builder<File>, path: &str, bytes: &[u8]) -> io::Result<Range<u64>> {
    let size = bytes.len() as u64;
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes)?;
    let start = archive.get_mut().stream_position()? - size.next_multiple_of(BLOCK);
    Ok(start..start + size)
}

fn incomplete() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "a file of the vault could not be kept")
}

/// An empty memory object that can be sealed, and never be run as a program.
fn memory_object() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create("vault", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create("vault", flags)?.into()),
        object => Ok(object?.into()),
    }
}

impl fmt::Debug for Recorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("files", &self.files).finish_non_exhaustive()
    }
}
