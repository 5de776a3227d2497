//! Memory for plaintext: never swapped, never dumped, never in a child, wiped when dropped.
//!
//! A [`Blank`] is filled once and sealed into an [`Arena`], which is read-only for ever. Both lie
//! in one memory object (memfd_create(2)), whose descriptor can be handed on.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use memfd::{FileSeal, Memfd, MemfdOptions};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

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
    /// The object could not be closed to further writers.
    #[error("cannot seal the memory object")]
    Seal(#[source] memfd::Error),
}

/// The next step when memory cannot be locked.
pub(super) const LOCK_HINT: &str = "run as root, raise the limit (LimitMEMLOCK=infinity in the \
     unit, ulimit -l unlimited in a shell), or accept swapping with --allow-swappable";

/// Zeroed memory to be filled once.
#[derive(Debug)]
pub struct Blank {
    mapping: Mapping,
    object: Memfd,
    residency: Residency,
}

impl Blank {
    /// Makes a memory object of exactly `size` bytes, locked as `locking` says.
    ///
    /// # Errors
    /// [`MemoryError`]: no memory, or it cannot be locked.
    pub fn new(size: usize, locking: Locking) -> Result<Self, MemoryError> {
        let object = memory_object(size)?;
        let mapping = Mapping::writable(object.as_file().as_fd(), size)?;
        let residency = locking.judge(mapping.lock()).map_err(|source| MemoryError::Lock { size, source })?;
        Ok(Self { mapping, object, residency })
    }

    /// All of the memory; split it to fill parts in parallel.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.mapping.bytes_mut()
    }

    /// Makes the memory read-only, here and for whoever is given the descriptor.
    ///
    /// # Errors
    /// [`MemoryError`]: the kernel refused to protect or seal it.
    pub fn seal(self) -> Result<Arena, MemoryError> {
        self.mapping.protect(MprotectFlags::READ)?;
        self.object.add_seals(&[FileSeal::SealFutureWrite, FileSeal::SealSeal]).map_err(MemoryError::Seal)?;
        Ok(Arena { mapping: self.mapping, object: self.object.into_file().into(), residency: self.residency })
    }
}

/// Filled, read-only memory.
#[derive(Debug)]
pub struct Arena {
    mapping: Mapping,
    object: OwnedFd,
    residency: Residency,
}

impl Arena {
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.mapping.bytes()
    }

    /// Whether these bytes can be swapped out.
    #[must_use]
    pub fn residency(&self) -> Residency {
        self.residency
    }
}

/// The memory object, to be handed to another process.
impl AsFd for Arena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.as_fd()
    }
}

/// A memory object that can no longer change its size.
fn memory_object(size: usize) -> Result<Memfd, MemoryError> {
    let create = || {
        let object =
            MemfdOptions::default().allow_sealing(true).create("vaultd").map_err(io::Error::other)?;
        object.as_file().set_len(Mapping::length(size) as u64)?;
        object.add_seals(&[FileSeal::SealShrink, FileSeal::SealGrow]).map_err(io::Error::other)?;
        Ok(object)
    };
    create().map_err(|source| MemoryError::Create { size, source })
}

/// Shared mapping of a whole memory object; wipes the object's bytes when dropped.
struct Mapping {
    address: NonNull<u8>,
    size: usize,
}

// SAFETY: the mapping is plain memory, owned by this value alone and not bound to a thread.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference the memory is only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `size` bytes of `object`, left out of core dumps and of forked children.
    ///
    /// Nobody else may write to or shrink `object` while the mapping lives.
    fn writable(object: BorrowedFd<'_>, size: usize) -> Result<Self, MemoryError> {
        let read_write = ProtFlags::READ | ProtFlags::WRITE;
        let failed = |errno: rustix::io::Errno| MemoryError::Map { size, source: errno.into() };
        // SAFETY: a new mapping at an address that the kernel picks overlaps nothing of ours.
        let address = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                Self::length(size),
                read_write,
                MapFlags::SHARED,
                object,
                0,
            )
        };
        let address =
            NonNull::new(address.map_err(failed)?.cast()).ok_or_else(|| failed(rustix::io::Errno::NOMEM))?;
        let mapping = Self { address, size };
        for advice in [Advice::LinuxDontDump, Advice::LinuxDontFork] {
            // SAFETY: the range is exactly this mapping; neither advice changes its contents.
            unsafe { rustix::mm::madvise(address.as_ptr().cast(), Self::length(size), advice) }
                .map_err(failed)?;
        }
        Ok(mapping)
    }

    /// Length of the mapping for `size` bytes: mmap(2) refuses an empty one.
    fn length(size: usize) -> usize {
        size.max(1)
    }

    fn lock(&self) -> rustix::io::Result<()> {
        // SAFETY: the range is exactly this mapping.
        unsafe { rustix::mm::mlock(self.address.as_ptr().cast(), Self::length(self.size)) }
    }

    fn protect(&self, protection: MprotectFlags) -> Result<(), MemoryError> {
        let address = self.address.as_ptr().cast();
        // SAFETY: the range is exactly this mapping. Readable it always stays, and it is made
        // read-only by `Blank::seal` alone, which gives up the only way to a `&mut` first.
        unsafe { rustix::mm::mprotect(address, Self::length(self.size), protection) }
            .map_err(|errno| MemoryError::Map { size: self.size, source: errno.into() })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `size` mapped, initialised bytes that nobody writes while `self` is borrowed:
        // the object is sealed against shrinking, and its descriptor leaves this module only
        // once it is sealed against writing.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.size) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`; called only while the mapping is writable, and `&mut self`
        // makes it the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.size) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let writable = self.protect(MprotectFlags::READ | MprotectFlags::WRITE);
        if writable.is_ok() {
            self.bytes_mut().zeroize();
        }
        // SAFETY: the range is exactly this mapping, and nothing borrows from it any more.
        // Unmapping also unlocks. It cannot fail for a range that was mapped as a whole.
        let _ = unsafe { rustix::mm::munmap(self.address.as_ptr().cast(), Self::length(self.size)) };
    }
}

/// Shows the size, never the bytes.
impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes)", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::{Blank, Locking};
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    #[test]
    fn holds_what_was_filled_in() {
        let mut blank = Blank::new(5, Locking::AllowSwappable).expect("memory");
        blank.bytes_mut().copy_from_slice(b"bytes");
        assert_eq!(blank.seal().expect("seal").bytes(), b"bytes");
    }

    #[test]
    fn may_be_empty() {
        let blank = Blank::new(0, Locking::AllowSwappable).expect("memory");
        assert_eq!(blank.seal().expect("seal").bytes(), b"");
    }

    #[test]
    fn is_closed_to_writers_once_sealed_and_wiped_when_dropped() {
        let mut blank = Blank::new(5, Locking::AllowSwappable).expect("memory");
        blank.bytes_mut().copy_from_slice(b"bytes");
        let arena = blank.seal().expect("seal");
        let object: std::fs::File = arena.as_fd().try_clone_to_owned().expect("dup").into();

        assert!(object.write_at(b"x", 0).is_err());
        assert!(object.set_len(0).is_err());
        drop(arena);
        let mut left = [1; 5];
        object.read_exact_at(&mut left, 0).expect("read");
        assert_eq!(left, [0; 5]);
    }
}
