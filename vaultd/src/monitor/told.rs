//! How many opens were told of, in memory that outlives the monitor: the next one is to tell of the rest.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use crate::opens::Decision;
use crate::server::Counts;

/// What was told.
#[derive(Debug)]
pub struct Told {
    object: File,
    counts: Mutex<Counts>,
}

impl Told {
    /// Takes over what an earlier monitor noted; in a new object that is nothing.
    ///
    /// # Errors
    /// The object cannot be read.
    pub fn take_over(object: File) -> io::Result<Self> {
        let counts = crate::server::counts(&object)?;
        Ok(Self { object, counts: Mutex::new(counts) })
    }

    /// Some more were told.
    pub fn add(&self, decision: Decision, count: u64) {
        self.change(|counts| *of(counts, decision) += count);
    }

    /// What of `all` was not told. It counts as told from now on.
    pub fn rest(&self, all: Counts) -> Vec<(Decision, u64)> {
        self.change(|counts| {
            let untold = [
                (Decision::Allowed, all.allowed.saturating_sub(counts.allowed)),
                (Decision::Denied, all.denied.saturating_sub(counts.denied)),
            ];
            untold.iter().for_each(|(decision, count)| *of(counts, *decision) += count);
            untold.into_iter().filter(|(_, count)| *count > 0).collect()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut counts);
        // What is not noted, the next monitor tells once more.
        let _ = self.object.write_all_at(&counts.slot(), 0);
        result
    }
}

impl AsFd for Told {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}

fn of(counts: &mut Counts, decision: Decision) -> &mut u64 {
    match decision {
        Decision::Allowed => &mut counts.allowed,
        Decision::Denied => &mut counts.denied,
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use crate::opens::Decision::{Allowed, Denied};
    use crate::server::Counts;

    #[test]
    fn the_next_monitor_tells_the_rest() {
        let object = tempfile::tempfile().expect("a file");
        let told = Told::take_over(object.try_clone().expect("a duplicate")).expect("nothing");
        told.add(Allowed, 5);
        told.add(Denied, 1);
        drop(told);
        let told = Told::take_over(object.try_clone().expect("a duplicate")).expect("counts");
        assert_eq!(told.rest(Counts { allowed: 7, denied: 1 }), [(Allowed, 2)]);
        let told = Told::take_over(object).expect("counts");
        assert_eq!(told.rest(Counts { allowed: 7, denied: 1 }), []);
    }
}
