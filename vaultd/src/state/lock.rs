//! One at a time: who changes what was accepted, after looking at it.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::StateError;

/// Nobody else changes what is in a folder while this lives (flock(2)).
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Lock {
    /// Waits until nobody else changes what is in `folder`.
    pub(super) fn of(folder: &Path) -> Result<Self, StateError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let locked = rustix::fs::open(folder, flags, Mode::empty()).and_then(|file| {
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            Ok(Self(file.into()))
        });
        locked.map_err(|errno| StateError::Write { path: folder.to_owned(), error: errno.into() })
    }
}
