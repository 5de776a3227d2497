//! The kept copy of the state that was accepted last: whole at first, then grown by what is new of each later state.
//!
//! Bytes that are there are never changed. What `accepted.json` says of its length decides what of it counts, so a
//! machine that stops while it grows has what it had before.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::snapshot;

/// The copy as this process has written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    inode: u64,
    /// Bytes of the whole state that it began with.
    whole: u64,
    /// Bytes of all of it.
    pub length: u64,
}

impl Copied {
    /// What was just written.
    pub(super) fn whole(path: &Path) -> io::Result<Self> {
        let metadata = path.symlink_metadata()?;
        Ok(Self { inode: metadata.ino(), whole: metadata.len(), length: metadata.len() })
    }

    /// Whether it can grow: nobody touched it, and it is not twice as long yet as it need be.
    pub(super) fn can_grow(&self, path: &Path) -> bool {
        self.length < self.whole.saturating_mul(2) && self.open(path).is_ok()
    }

    /// Writes what is new behind it, to the disk.
    pub(super) fn grow(&self, path: &Path, snapshot: impl AsFd) -> io::Result<Self> {
        let mut file = self.open(path)?;
        file.seek(SeekFrom::Start(self.length))?;
        snapshot::copy(snapshot, &file)?;
        file.sync_all()?;
        Ok(Self { length: file.metadata()?.len(), ..*self })
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        match metadata.ino() == self.inode && metadata.len() == self.length {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "somebody else has changed the copy")),
        }
    }
}
