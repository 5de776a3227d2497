//! Memory objects as bytes: mapped once, left out of core dumps and of forked children.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use rustix::fs::FallocateFlags;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::memory::{Locking, MemoryError, Residency};

/// An object of a [`Store`](super::store::Store), readable in place.
#[derive(Debug)]
pub struct Mapping(Pages);

impl Mapping {
    /// Maps the first `length` bytes of `object`.
    ///
    /// Nobody may shorten the object or write to it while it is mapped, the monitor's
    /// [`wipe`](super::store::wipe) aside.
    ///
    /// # Errors
    /// [`MemoryError`]: the object is shorter, or the kernel refused.
    pub fn of(object: &OwnedFd, length: usize) -> Result<Self, MemoryError> {
        let failed = |source| MemoryError::Map { size: length, source };
        let size = rustix::fs::fstat(object).map_err(|errno| failed(errno.into()))?.st_size;
        match usize::try_from(size) {
            Ok(size) if size >= length => Pages::map(object.as_fd(), length, ProtFlags::READ).map(Self),
            _ => Err(failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Maps all of `object`, as [`Mapping::of`].
    ///
    /// # Errors
    /// [`MemoryError`]: the kernel refused.
    pub fn whole(object: &OwnedFd) -> Result<Self, MemoryError> {
        let failed = |errno: rustix::io::Errno| MemoryError::Map { size: 0, source: errno.into() };
        let size = rustix::fs::fstat(object).map_err(failed)?.st_size;
        Self::of(object, usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: as many mapped, initialised bytes, that nobody writes or shortens while they are
        // read: who wrote them is gone before the object is given on (`store::read_only`), a memfd is
        // sealed, and the monitor, which alone can write to a file of the store, wipes and shortens
        // it only when its readers have let go of it or have ended (`monitor::kept::Object`).
        unsafe { std::slice::from_raw_parts(self.0.address.as_ptr(), self.0.size) }
    }

    /// Keeps the object out of swap for as long as this mapping lives.
    ///
    /// # Errors
    /// [`MemoryError::Lock`] when it cannot be locked and `locking` requires it.
    pub fn lock(&self, locking: Locking) -> Result<Residency, MemoryError> {
        self.0.lock(locking)
    }
}

/// The objects that a process has mapped, so that it maps none twice: their number is limited (proc_sys_vm(5),
/// `max_map_count`), and generations share most.
#[derive(Debug, Default)]
pub struct Mapped(HashMap<(u64, u64), Weak<Mapping>>);

impl Mapped {
    /// All of `object`, as [`Mapping::whole`].
    ///
    /// # Errors
    /// [`MemoryError`]: the kernel refused.
    pub fn map(&mut self, object: &OwnedFd) -> Result<Arc<Mapping>, MemoryError> {
        let failed = |errno: rustix::io::Errno| MemoryError::Map { size: 0, source: errno.into() };
        let stat = rustix::fs::fstat(object).map_err(failed)?;
        // While it is mapped, nothing else has its number.
        self.0.retain(|_, mapping| mapping.strong_count() > 0);
        let known = self.0.entry((stat.st_dev, stat.st_ino)).or_default();
        if let Some(mapping) = known.upgrade() {
            return Ok(mapping);
        }
        let mapping = Arc::new(Mapping::whole(object)?);
        *known = Arc::downgrade(&mapping);
        Ok(mapping)
    }
}

/// A new object of a [`Store`](super::store::Store), to be filled.
#[derive(Debug)]
pub struct MappingMut(Pages);

impl MappingMut {
    /// Makes `object` `length` bytes of zeros, all of them backed by memory, and maps it.
    ///
    /// It is the only mapping while it lives, and nobody else writes to the object or shortens it.
    ///
    /// # Errors
    /// [`MemoryError`]: there is not enough memory in the store, or the kernel refused.
    pub fn of(object: &File, length: usize) -> Result<Self, MemoryError> {
        let failed = |source| MemoryError::Create { size: length, source };
        object.set_len(length as u64).map_err(failed)?;
        if length > 0 {
            // Memory that is missing is an error here, and would be a SIGBUS later.
            rustix::fs::fallocate(object, FallocateFlags::empty(), 0, length as u64)
                .map_err(|errno| failed(errno.into()))?;
        }
        Pages::map(object.as_fd(), length, ProtFlags::READ | ProtFlags::WRITE).map(Self)
    }

    /// All bytes; split them to fill parts in parallel.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as many mapped, initialised bytes, backed by memory. The object is new and
        // its only descriptor that of its creator, who does not share or shorten it; `&mut self`
        // makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.0.address.as_ptr(), self.0.size) }
    }

    /// Keeps the object out of swap for as long as this mapping lives; call it before filling.
    ///
    /// # Errors
    /// [`MemoryError::Lock`] when it cannot be locked and `locking` requires it.
    pub fn lock(&self, locking: Locking) -> Result<Residency, MemoryError> {
        self.0.lock(locking)
    }
}

/// A shared mapping of a whole object.
struct Pages {
    address: NonNull<u8>,
    size: usize,
}

// SAFETY: the mapping is plain memory, owned by this value alone and not bound to a thread.
unsafe impl Send for Pages {}
// SAFETY: through a shared reference the memory is only read.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(object: BorrowedFd<'_>, size: usize, protection: ProtFlags) -> Result<Self, MemoryError> {
        let failed = |errno: rustix::io::Errno| MemoryError::Map { size, source: errno.into() };
        let (nowhere, length) = (std::ptr::null_mut(), Self::length(size));
        // SAFETY: a new mapping at an address that the kernel picks overlaps nothing of ours.
        let address = unsafe { rustix::mm::mmap(nowhere, length, protection, MapFlags::SHARED, object, 0) };
        let address =
            NonNull::new(address.map_err(failed)?.cast()).ok_or_else(|| failed(rustix::io::Errno::NOMEM))?;
        let pages = Self { address, size };
        for advice in [Advice::LinuxDontDump, Advice::LinuxDontFork] {
            // SAFETY: the range is exactly this mapping; neither advice changes its contents.
            unsafe { rustix::mm::madvise(address.as_ptr().cast(), length, advice) }.map_err(failed)?;
        }
        Ok(pages)
    }

    /// Length of the mapping for `size` bytes: mmap(2) refuses an empty one.
    fn length(size: usize) -> usize {
        size.max(1)
    }

    fn lock(&self, locking: Locking) -> Result<Residency, MemoryError> {
        if self.size == 0 {
            // The one page of an empty object lies behind its end and cannot be locked.
            return Ok(Residency::Locked);
        }
        // SAFETY: the range is exactly this mapping.
        let outcome = unsafe { rustix::mm::mlock(self.address.as_ptr().cast(), self.size) };
        locking.judge(outcome).map_err(|source| MemoryError::Lock { size: self.size, source })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is exactly this mapping, and nothing borrows from it any more.
        // Unmapping also unlocks. It cannot fail for a range that was mapped as a whole.
        let _ = unsafe { rustix::mm::munmap(self.address.as_ptr().cast(), Self::length(self.size)) };
    }
}

/// Shows the size, never the bytes.
impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapping, MappingMut};
    use crate::sys::memory::{Locking, Residency};
    use crate::sys::store::Store;
    use std::fs;

    /// The flags of the mapping that holds `address`, as `/proc/self/smaps` has them.
    fn flags(address: usize) -> String {
        let maps = fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let parse = |text: &str| usize::from_str_radix(text, 16).ok();
            if let Some((Some(start), Some(end))) = range.map(|(a, b)| (parse(a), parse(b))) {
                inside = (start..end).contains(&address);
            }
            if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags: ")) {
                return flags.to_owned();
            }
        }
        panic!("no such mapping")
    }

    #[test]
    fn is_left_out_of_dumps_and_children_and_is_locked_on_demand() {
        let object = Store::locked(Locking::Required).create().expect("an object");
        let filling = MappingMut::of(&object, 5).expect("a mapping");
        let reading = Mapping::of(&object.into(), 5).expect("a mapping");
        for address in [filling.0.address, reading.0.address] {
            let flags = flags(address.as_ptr() as usize);
            for flag in ["dd", "dc"] {
                assert!(flags.split(' ').any(|word| word == flag), "{flag}: {flags}");
            }
        }
        assert_eq!(reading.lock(Locking::Required).expect("a lock"), Residency::Locked);
        assert!(flags(reading.0.address.as_ptr() as usize).contains("lo"));
    }

    #[test]
    fn debug_output_shows_no_bytes() {
        let object = Store::locked(Locking::Required).create().expect("an object");
        let mut mapping = MappingMut::of(&object, 5).expect("a mapping");
        mapping.bytes_mut().copy_from_slice(b"horse");
        assert_eq!(format!("{mapping:?}"), "MappingMut(Pages(5 bytes))");
    }
}
