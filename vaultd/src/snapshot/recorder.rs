//! Keeping what is read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::SystemTime;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use tar::{EntryType, Header};
use vault_format::files::Entry;
use vault_format::folder::FolderError;
use vault_format::stamp::Stamp;
use vault_format::{Digest, VaultFiles};

use super::index::{BLOCK, END, MAX_PATH, REMOVED};
use super::{SEALS, Snapshot, bytes, refuse_longer};

/// The files of a vault, of which each that is read is kept. What was read once is read from what is
/// kept, so that all who ask for a file get the same bytes.
pub struct Recorder<'a> {
    files: &'a dyn VaultFiles,
    memory: File,
    /// Most bytes that are kept.
    most: u64,
    /// Before anything was read.
    begun: SystemTime,
    kept: Mutex<Kept>,
}

/// What was read so far.
#[derive(Default)]
struct Kept {
    places: BTreeMap<String, Place>,
    stamps: BTreeMap<String, Stamp>,
    /// How many bytes of the archive are taken.
    length: u64,
    /// How many of them are files.
    bytes: u64,
    /// Whether a file could not be kept whole.
    is_broken: bool,
}

/// Where a file is kept.
struct Place {
    span: Range<u64>,
    /// Whether its bytes are there yet.
    is_written: bool,
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
        let (memory, begun) = (memory_object()?, SystemTime::now());
        Ok(Self { files, memory, most, begun, kept: Mutex::default() })
    }

    /// What was kept, closed to any change.
    ///
    /// # Errors
    /// There was no memory for some of it, or the kernel does not seal it.
    pub fn finish(self) -> io::Result<Snapshot> {
        let kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        if kept.is_broken {
            return Err(incomplete());
        }
        self.memory.set_len(kept.length + END)?;
        rustix::fs::fcntl_add_seals(&self.memory, SEALS)?;
        let spans = kept.places.into_iter().map(|(path, place)| (path, place.span)).collect();
        Ok(Snapshot { file: self.memory, spans, stamps: kept.stamps })
    }

    /// What was kept, to follow an earlier snapshot of which some files are `removed`.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_without(self, removed: &[String]) -> io::Result<Snapshot> {
        let list: String = removed.iter().flat_map(|path| [path, "\0"]).collect();
        let head = head(REMOVED, list.len());
        let at = self.kept().take_room(entry_length(&head, list.as_bytes()));
        write(&self.memory, &head, list.as_bytes(), at)?;
        self.finish()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was kept of a file, once it is.
    fn again(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let failed = |error| FolderError::Io { path: path.into(), error };
        let span = loop {
            let kept = self.kept();
            match kept.places.get(path) {
                None => return Ok(None),
                Some(place) if place.is_written => break place.span.clone(),
                Some(_) if kept.is_broken => return Err(failed(incomplete())),
                // Somebody else is writing it right now.
                Some(_) => {}
            }
            drop(kept);
            thread::yield_now();
        };
        refuse_longer(path, &span, limit)?;
        bytes(&self.memory, &span).map(Some).map_err(failed)
    }

    /// Keeps a file, if nobody did so before.
    fn keep(&self, path: &str, bytes: &[u8], stamp: Option<Stamp>) -> Result<Keeping, FolderError> {
        let kept = self.try_to_keep(path, bytes, stamp);
        kept.map_err(|error| FolderError::Io { path: path.into(), error })
    }

    fn try_to_keep(&self, path: &str, bytes: &[u8], stamp: Option<Stamp>) -> io::Result<Keeping> {
        if path.len() > MAX_PATH {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (head, size) = (head(path, bytes.len()), bytes.len() as u64);
        let reserved = self.kept().reserve(path, entry_length(&head, bytes), size, self.most)?;
        let Some(at) = reserved else { return Ok(Keeping::Known) };
        // Each where nobody else writes, so all at the same time.
        let written = write(&self.memory, &head, bytes, at);
        let mut kept = self.kept();
        kept.is_broken |= written.is_err();
        written?;
        if let Some(place) = kept.places.get_mut(path) {
            place.is_written = true;
        }
        kept.stamps.extend(stamp.map(|stamp| (path.to_owned(), stamp)));
        Ok(Keeping::New)
    }

    /// The state that a file is in before it is read, so that whatever happens to it from now on shows.
    fn settled_stamp(&self, path: &str) -> Option<Stamp> {
        self.files.stamp(path).filter(|stamp| stamp.is_settled(self.begun))
    }
}

impl Kept {
    /// Takes the next so many bytes of the archive.
    fn take_room(&mut self, bytes: u64) -> u64 {
        let at = self.length;
        self.length += bytes;
        at
    }

    /// Takes the next place in the archive for an entry whose last part is a file of `size`; nothing if the file has
    /// one.
    fn reserve(&mut self, path: &str, entry: u64, size: u64, most: u64) -> io::Result<Option<u64>> {
        if self.places.contains_key(path) {
            return Ok(None);
        }
        if self.bytes.saturating_add(size) > most {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "with it the vault takes more than half of this machine's memory",
            ));
        }
        self.bytes += size;
        let at = self.take_room(entry);
        let start = self.length - size.next_multiple_of(BLOCK);
        let place = Place { span: start..start + size, is_written: false };
        self.places.insert(path.to_owned(), place);
        Ok(Some(at))
    }
}

impl VaultFiles for Recorder<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        if let Some(bytes) = self.again(path, limit)? {
            return Ok(bytes);
        }
        let stamp = self.settled_stamp(path);
        let bytes = self.files.read(path, limit)?;
        match self.keep(path, &bytes, stamp)? {
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
        let stamp = self.settled_stamp(path);
        let Some(bytes) = self.files.read_signed(path, limit, digest)? else { return Ok(None) };
        match self.keep(path, &bytes, stamp)? {
            Keeping::New => Ok(Some(bytes)),
            Keeping::Known => Ok(self.again(path, limit)?.filter(same)),
        }
    }

    /// As the files themselves list them.
    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        self.files.entries()
    }

    fn stamp(&self, path: &str) -> Option<Stamp> {
        self.files.stamp(path)
    }
}

/// Whether a file was kept before.
enum Keeping {
    New,
    Known,
}

/// What precedes the bytes of a file in an archive: its header, and before it its path where that does not fit in.
fn head(path: &str, size: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(path.len().next_multiple_of(512) + 3 * 512);
    if path.len() > Header::new_gnu().as_old().name.len() {
        append_header(&mut head, EntryType::GNULongName, LONG_NAME, path.len() + 1);
        head.extend_from_slice(path.as_bytes());
        head.resize((head.len() + 1).next_multiple_of(512), 0);
    }
    append_header(&mut head, EntryType::Regular, path.as_bytes(), size);
    head
}

/// The path of an entry that holds the path of the next one.
const LONG_NAME: &[u8] = b"././@LongLink";

fn append_header(head: &mut Vec<u8>, kind: EntryType, path: &[u8], size: usize) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    let name = &mut header.as_old_mut().name;
    let length = path.len().min(name.len());
    name[..length].copy_from_slice(&path[..length]);
    header.set_cksum();
    head.extend_from_slice(header.as_bytes());
}

/// How much room a file takes in an archive.
fn entry_length(head: &[u8], bytes: &[u8]) -> u64 {
    head.len() as u64 + (bytes.len() as u64).next_multiple_of(BLOCK)
}

/// Writes a file where there is nothing yet: what is left up to the next block are zeros. A long one is not copied
/// for that.
fn write(memory: &File, head: &[u8], bytes: &[u8], at: u64) -> io::Result<()> {
    let written = rustix::io::pwritev(memory, &[IoSlice::new(head), IoSlice::new(bytes)], at)?;
    if written == head.len() + bytes.len() {
        return Ok(());
    }
    memory.write_all_at(head, at)?;
    memory.write_all_at(bytes, at + head.len() as u64)
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
