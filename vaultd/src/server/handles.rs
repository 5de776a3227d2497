//! The open files of a mount, and the listings that somebody is reading, in memory that outlives the server.
//!
//! A set, not counts: a handle is the number of the request that opened it, so that an OPEN or RELEASE that the
//! kernel sends again, because the server died before its answer, changes nothing. Each handle has a slot of
//! 16 bytes in a memory object that the monitor keeps: the handle and the node, or zeros. A slot is written
//! with one system call, which a kill does not tear. The first slot has no handle, but the [`Counts`]. A listing has its
//! generation in the place of the node.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fuser::RequestId;

/// Set in the number of a request that is sent again (`FUSE_UNIQUE_RESEND`, Linux 6.9).
const SENT_AGAIN: u64 = 1 << 63;

/// Set in what is not a node, but the generation that a listing shows. No number gets that far.
const LISTING: u64 = 1 << 63;

/// Shown to who has come to the end of a listing: no generation has this number. That the handle is forgotten only
/// when it is closed keeps a last part that is sent again from beginning in another generation.
pub const ENDED: u64 = 0;

/// Bytes of a slot.
const SLOT: usize = 16;

/// What a request is told from others by, also when it is sent again.
#[must_use]
pub fn unique(request: RequestId) -> u64 {
    request.0 & !SENT_AGAIN
}

/// Whether the kernel sends a request again.
#[must_use]
pub fn is_sent_again(request: RequestId) -> bool {
    request.0 & SENT_AGAIN != 0
}

/// How many opens there were, as long as the mount is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that were answered with a handle.
    pub allowed: u64,
    /// Those that a rule forbade.
    pub denied: u64,
}

impl Counts {
    /// As they lie at the begin of an object, where [`counts`] finds them.
    #[must_use]
    pub fn slot(&self) -> [u8; SLOT] {
        slot(self.denied, self.allowed)
    }
}

/// The set of open files.
#[derive(Debug)]
pub struct Handles {
    object: File,
    slots: Mutex<Slots>,
}

/// What is in the object, to be found fast.
#[derive(Debug, Default)]
struct Slots {
    /// The slot and the node of each handle.
    used: HashMap<u64, (u64, u64)>,
    /// Slots that are free, below `end`.
    free: Vec<u64>,
    /// One more than the highest slot ever used.
    end: u64,
    counts: Counts,
}

impl Handles {
    /// Takes over what an earlier server left in the object; a new one is empty.
    ///
    /// # Errors
    /// The object cannot be read.
    pub fn take_over(object: File) -> io::Result<Self> {
        let end = (object.metadata()?.len() / SLOT as u64).max(1);
        let mut slots = Slots { end, counts: counts(&object)?, ..Slots::default() };
        let mut slot = [0; SLOT];
        for at in 1..end {
            object.read_exact_at(&mut slot, at * SLOT as u64)?;
            match halves(slot) {
                (0, _) => slots.free.push(at),
                (handle, node) => {
                    slots.used.insert(handle, (at, node));
                }
            }
        }
        Ok(Self { object, slots: Mutex::new(slots) })
    }

    /// Remembers that a request opened a node, and tells whether that is new.
    ///
    /// # Errors
    /// There is no memory; the file must not be opened then.
    pub fn insert(&self, handle: u64, node: u64) -> io::Result<bool> {
        let mut slots = self.slots();
        if slots.used.contains_key(&handle) {
            return Ok(false);
        }
        self.put(&mut slots, handle, node)?;
        slots.counts.allowed += 1;
        self.write_counts(slots.counts);
        Ok(true)
    }

    /// Remembers that a listing shows a generation from now on, or has [`ENDED`].
    ///
    /// # Errors
    /// There is no memory; it may then meet another generation before its end.
    pub fn list(&self, handle: u64, generation: u64) -> io::Result<()> {
        self.put(&mut self.slots(), handle, LISTING | generation)
    }

    /// The generation that a listing shows from its begin to its end, and [`ENDED`] then.
    #[must_use]
    pub fn shown_to(&self, handle: u64) -> Option<u64> {
        let (_, value) = *self.slots().used.get(&handle)?;
        (value & LISTING != 0).then_some(value & !LISTING)
    }

    /// Puts a handle in its slot, or in a free one.
    fn put(&self, slots: &mut Slots, handle: u64, value: u64) -> io::Result<()> {
        let own = slots.used.get(&handle).map(|(at, _)| *at);
        let at = own.or_else(|| slots.free.pop()).unwrap_or(slots.end);
        slots.end = slots.end.max(at + 1);
        match self.write(at, handle, value) {
            Ok(()) => {
                slots.used.insert(handle, (at, value));
                Ok(())
            }
            Err(error) => {
                if own.is_none() {
                    slots.free.push(at);
                }
                Err(error)
            }
        }
    }

    /// Counts an open that a rule forbade.
    pub fn deny(&self) {
        let mut slots = self.slots();
        slots.counts.denied += 1;
        self.write_counts(slots.counts);
    }

    fn write_counts(&self, counts: Counts) {
        // What was answered is right, whether it is counted or not.
        let _ = self.write(0, counts.denied, counts.allowed);
    }

    /// Forgets a handle that was closed, and tells which node it was of.
    pub fn remove(&self, handle: u64) -> Option<u64> {
        let mut slots = self.slots();
        let (at, node) = slots.used.remove(&handle)?;
        // A slot that could not be freed would keep a generation for longer than it is needed, no more.
        if self.write(at, 0, 0).is_ok() {
            slots.free.push(at);
        }
        Some(node)
    }

    /// The nodes that are open.
    #[must_use]
    pub fn nodes(&self) -> HashSet<u64> {
        self.slots().used.values().map(|(_, node)| *node).filter(|node| node & LISTING == 0).collect()
    }

    /// The generations of which somebody reads a listing.
    #[must_use]
    pub fn listed(&self) -> HashSet<u64> {
        let slots = self.slots();
        let listings = slots.used.values().filter(|(_, value)| value & LISTING != 0);
        listings.map(|(_, value)| value & !LISTING).filter(|generation| *generation != ENDED).collect()
    }

    fn write(&self, at: u64, handle: u64, node: u64) -> io::Result<()> {
        self.object.write_all_at(&slot(handle, node), at * SLOT as u64)
    }

    /// What is in there is right at every moment, also when a thread panicked that held it.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many opens there were, from the object that a server writes to.
///
/// # Errors
/// The object cannot be read.
pub fn counts(object: &File) -> io::Result<Counts> {
    let mut slot = [0; SLOT];
    match object.read_exact_at(&mut slot, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Counts::default()),
        read => read.map(|()| halves(slot)).map(|(denied, allowed)| Counts { allowed, denied }),
    }
}

fn slot(one: u64, other: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&one.to_ne_bytes());
    slot[8..].copy_from_slice(&other.to_ne_bytes());
    slot
}

fn halves(slot: [u8; SLOT]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, rest @ ..] = slot;
    (u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(rest))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::File;

    use super::{Counts, ENDED, Handles, counts};

    fn object() -> File {
        tempfile::tempfile().expect("a file")
    }

    #[test]
    fn survives_its_server() {
        let object = object();
        let handles = Handles::take_over(object.try_clone().expect("a duplicate")).expect("empty");
        for handle in 1..=100 {
            handles.insert(handle, handle * 10).expect("inserted");
        }
        for handle in (1..=100).filter(|handle| handle % 3 != 0) {
            assert_eq!(handles.remove(handle), Some(handle * 10));
        }
        drop(handles);
        let next = Handles::take_over(object).expect("taken over");
        let left: HashSet<u64> =
            (1..=100).filter(|handle| handle % 3 == 0).map(|handle| handle * 10).collect();
        assert_eq!(next.nodes(), left);
    }

    #[test]
    fn a_listing_is_no_open_file() {
        let object = object();
        let handles = Handles::take_over(object.try_clone().expect("a duplicate")).expect("empty");
        handles.insert(7, 3).expect("inserted");
        handles.list(8, 3).expect("listed");
        handles.list(8, 4).expect("listed anew");
        handles.list(9, 2).expect("listed");
        handles.list(9, ENDED).expect("ended");
        drop(handles);
        let next = Handles::take_over(object.try_clone().expect("a duplicate")).expect("taken over");
        let shown = [8, 7, 9, 10].map(|handle| next.shown_to(handle));
        assert_eq!(shown, [Some(4), None, Some(ENDED), None]);
        assert_eq!((next.nodes(), next.listed()), (HashSet::from([3]), HashSet::from([4])));
        assert!(next.remove(8).is_some() && next.listed().is_empty());
        assert_eq!(counts(&object).expect("counts").allowed, 1);
        assert_eq!(object.metadata().expect("stat").len(), 64, "each has one slot");
    }

    #[test]
    fn what_comes_twice_counts_once() {
        let object = object();
        let handles = Handles::take_over(object.try_clone().expect("a duplicate")).expect("empty");
        assert!(handles.insert(7, 1).expect("inserted"));
        assert!(!handles.insert(7, 1).expect("there"));
        handles.deny();
        assert_eq!(handles.remove(7), Some(1));
        assert_eq!(handles.remove(7), None);
        handles.insert(8, 1).expect("inserted");
        assert_eq!(object.metadata().expect("stat").len(), 32, "a slot is used again");
        assert_eq!(counts(&object).expect("counts"), Counts { allowed: 2, denied: 1 });
        let next = Handles::take_over(object.try_clone().expect("a duplicate")).expect("taken over");
        next.deny();
        assert_eq!(counts(&object).expect("counts"), Counts { allowed: 2, denied: 2 });
        assert_eq!(handles.nodes(), HashSet::from([1]));
    }
}
