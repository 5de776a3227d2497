//! What becomes of memory that cannot be kept out of swap.

use std::io;

use serde::{Deserialize, Serialize};

/// What to do when memory cannot be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Locking {
    /// Refuse to go on.
    Required,
    /// Go on with memory that may be swapped out.
    AllowSwappable,
}

/// Where memory may end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residency {
    /// In RAM only.
    Locked,
    /// In RAM or, under pressure, on a swap device.
    Swappable,
}

impl Locking {
    /// Turns the outcome of a lock into what this rule makes of it.
    pub(super) fn judge(self, outcome: rustix::io::Result<()>) -> io::Result<Residency> {
        match (outcome, self) {
            (Ok(()), _) => Ok(Residency::Locked),
            (Err(_), Self::AllowSwappable) => Ok(Residency::Swappable),
            (Err(errno), Self::Required) => Err(errno.into()),
        }
    }
}

/// Why memory for plaintext could not be had. Sizes are bytes.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MemoryError {
    /// The kernel gave no memory object of this size.
    #[error("cannot create a memory object of {size} bytes")]
    Create {
        /// Bytes asked for.
        size: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The object could not be mapped or protected.
    #[error("cannot map {size} bytes of memory")]
    Map {
        /// Bytes asked for.
        size: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The memory could not be kept out of swap.
    #[error("cannot lock {size} bytes of memory against swapping")]
    #[diagnostic(help("{LOCK_HINT}"))]
    Lock {
        /// Bytes asked for.
        size: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The next step when memory cannot be locked.
pub(super) const LOCK_HINT: &str = "run as root, raise the limit (LimitMEMLOCK=infinity in the \
     unit, ulimit -l unlimited in a shell), or accept swapping with --allow-swappable";
