//! Requests that a server was handling when it crashed.
//!
//! A request that brings down every server that handles it would do so for ever, since the kernel sends it
//! again to the next one. So a server notes each request that it handles for the second time, in memory that
//! outlives it: one that is noted when it comes for the third time is not handled any more.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FlockOperation;

/// Bytes of a note.
const NOTE: usize = 8;

/// Most notes that are kept; a server dies with as many requests in hand as it has threads.
const MOST: u64 = 1024;

/// The requests that were handled again.
#[derive(Debug)]
pub struct Attempts {
    object: File,
    notes: Mutex<(u64, HashSet<u64>)>,
}

impl Attempts {
    /// Takes over what an earlier server noted.
    ///
    /// # Errors
    /// The object cannot be read.
    pub fn take_over(object: File) -> io::Result<Self> {
        // Held until this process is gone for good, which the next monitor waits for. Another one may hold it that is
        // as good as gone.
        let _ = rustix::fs::fcntl_lock(&object, FlockOperation::NonBlockingLockExclusive);
        let mut noted = HashSet::new();
        let mut note = [0; NOTE];
        for at in 0..object.metadata()?.len() / NOTE as u64 {
            object.read_exact_at(&mut note, at * NOTE as u64)?;
            noted.insert(u64::from_ne_bytes(note));
        }
        Ok(Self { object, notes: Mutex::new((0, noted)) })
    }

    /// Whether a request that the kernel sends again may be handled; notes it down if so.
    pub fn may_handle(&self, request: u64) -> bool {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, noted) = &mut *notes;
        if noted.contains(&request) {
            return false;
        }
        // Without the note it may be handled once more than it should, no worse.
        let _ = self.object.write_all_at(&request.to_ne_bytes(), *next % MOST * NOTE as u64);
        *next += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    #[test]
    fn a_request_brings_down_two_servers_at_most() {
        let object = tempfile::tempfile().expect("a file");
        let next = || Attempts::take_over(object.try_clone().expect("a duplicate")).expect("notes");
        assert!(next().may_handle(7));
        let third = next();
        assert!(!third.may_handle(7));
        assert!(third.may_handle(8));
    }
}
