//! Where each file lies in a tar file that may be damaged or hostile.
//!
//! Read are just the two kinds of entries that [`Recorder`](super::Recorder) writes: plain files, and
//! before one of them, where its path does not fit into a header, its path (GNU's long names). No
//! other extension is interpreted, so no two readers can see different files in one archive.
//!
//! Behind an archive another one may follow, whose files take the place of those before; a file in it names those that
//! are gone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

use tar::{Archive, Entry};
use vault_format::folder::MAX_FILE;

use super::SnapshotError;

/// Headers and files begin at multiples of this (tar(5)).
pub(super) const BLOCK: u64 = 512;
/// Two empty blocks end an archive.
pub(super) const END: u64 = 2 * BLOCK;
/// Most files: more than the largest lock can name.
const MAX_FILES: usize = 1 << 20;
/// Most bytes of a path, as for the kernel.
pub(super) const MAX_PATH: usize = 4096;

/// The file that names, each ended by a zero byte, what later archives do not have any more. No vault has a file of
/// this name.
pub(super) const REMOVED: &str = "./removed";
/// Most bytes of that file.
const MAX_REMOVED: u64 = 1 << 28;

/// The place of each file, by its path. What begins at `length` may be anything.
pub(super) fn read(file: &File, length: Option<u64>) -> Result<Spans, SnapshotError> {
    let size = file.metadata().map_err(SnapshotError::Read)?.len();
    let mut spans = Spans::new();
    let mut at = 0;
    loop {
        let later = match read_one(file, at, size) {
            Err(_) if at > 0 && Some(at) == length => return Ok(spans),
            archive => archive?,
        };
        for path in later.removed.into_iter().flatten() {
            spans.remove(&path);
        }
        spans.extend(later.spans);
        if spans.len() > MAX_FILES {
            return Err(SnapshotError::Damaged("it has too many files"));
        }
        at = later.end;
        if at == size {
            return Ok(spans);
        }
    }
}

/// The place of each file, by its path.
type Spans = BTreeMap<String, Range<u64>>;

/// One archive.
#[derive(Default)]
struct Part {
    spans: Spans,
    /// What is gone; nothing where the archive does not say.
    removed: Option<Vec<String>>,
    end: u64,
}

/// Reads the archive that begins at `start`.
fn read_one(file: &File, start: u64, size: u64) -> Result<Part, SnapshotError> {
    let mut archive = Archive::new(Positioned { file, start, at: start });
    let mut part = Part::default();
    let mut long_path = None;
    let mut end = start;
    for entry in archive.entries_with_seek().map_err(SnapshotError::Read)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        let span = span(&entry, start)?;
        end = span.end.next_multiple_of(BLOCK);
        if end > size {
            return Err(SnapshotError::Damaged("it ends in the middle of a file"));
        }
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() && long_path.is_none() {
            long_path = Some(read_path(&mut entry)?);
            continue;
        }
        if !kind.is_file() {
            return Err(SnapshotError::Damaged("it has an entry that is no file"));
        }
        let path = long_path.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if path == REMOVED.as_bytes() && part.removed.is_none() {
            part.removed = Some(read_removed(&mut entry)?);
            continue;
        }
        let path = checked(path)?;
        if part.spans.len() == MAX_FILES {
            return Err(SnapshotError::Damaged("it has too many files"));
        }
        if part.spans.insert(path.clone(), span).is_some() {
            return Err(SnapshotError::Twice(path));
        }
    }
    part.end = end.saturating_add(END);
    if long_path.is_some() || part.end > size {
        return Err(SnapshotError::Damaged("it does not end where its last file does"));
    }
    // What is no archive at all has no list either, such as zeros.
    if (start == 0) != part.removed.is_none() {
        return Err(SnapshotError::Damaged("it has archives that do not follow each other"));
    }
    Ok(part)
}

/// The paths in the file of what is gone.
fn read_removed(entry: &mut Entry<'_, impl Read>) -> Result<Vec<String>, SnapshotError> {
    if entry.size() > MAX_REMOVED {
        return Err(SnapshotError::Damaged("it has a list that is too long"));
    }
    let mut list = Vec::new();
    entry.read_to_end(&mut list).map_err(unreadable)?;
    match list.pop() {
        None => Ok(Vec::new()),
        Some(0) => list.split(|byte| *byte == 0).map(|path| checked(path.to_vec())).collect(),
        Some(_) => Err(SnapshotError::Damaged("it has a path without an end")),
    }
}

/// What the library calls an error is mostly a header that makes no sense.
fn unreadable(error: io::Error) -> SnapshotError {
    match error.raw_os_error() {
        Some(_) => SnapshotError::Read(error),
        None => SnapshotError::Damaged("it is no tar file, or was changed"),
    }
}

/// Where the bytes of an entry are, in an archive that begins at `start`.
fn span(entry: &Entry<'_, impl Read>, start: u64) -> Result<Range<u64>, SnapshotError> {
    let (start, size) = (start.saturating_add(entry.raw_file_position()), entry.size());
    match start.checked_add(size) {
        Some(end) if size <= MAX_FILE => Ok(start..end),
        _ => Err(SnapshotError::Damaged("it has a file that is too long")),
    }
}

/// The path that an entry of its own holds, ended by a zero byte.
fn read_path(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, SnapshotError> {
    let too_long = SnapshotError::Damaged("it has a path that is too long");
    if entry.size() > MAX_PATH as u64 + 1 {
        return Err(too_long);
    }
    let mut path = Vec::new();
    entry.read_to_end(&mut path).map_err(unreadable)?;
    match path.pop() {
        Some(0) => Ok(path),
        _ => Err(SnapshotError::Damaged("it has a path without an end")),
    }
}

/// A path of plain parts beneath the vault.
fn checked(path: Vec<u8>) -> Result<String, SnapshotError> {
    let text = String::from_utf8(path)
        .map_err(|error| SnapshotError::Name(OsString::from_vec(error.into_bytes()).into()))?;
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    match text.split('/').all(is_part) {
        true => Ok(text),
        false => Err(SnapshotError::Name(text.into())),
    }
}

/// Reads a file at a position of our own: that of the descriptor is shared with other processes.
struct Positioned<'a> {
    file: &'a File,
    /// Where the archive begins.
    start: u64,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => self.start.checked_add(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = to.filter(|at| *at >= self.start).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at - self.start)
    }
}
