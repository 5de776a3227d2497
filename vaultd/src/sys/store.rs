//! Memory objects for plaintext: they never swap, and they outlive the process that filled them.
//!
//! An object is an unnamed file on a `noswap` tmpfs that is attached nowhere (tmpfs(5), Linux 6.4):
//! nobody can look it up, and it goes with its last descriptor. Older kernels have no memory that
//! stays out of swap once its locker is dead; there an object is a memfd_create(2), to be kept by a
//! [`Mapping`](super::mapping::Mapping) that is locked for as long as the object is needed.
//!
//! How long each lives: the decryptor creates and fills it, the monitor takes it over with
//! [`read_only`] and gives descriptors for reading on, and [`wipe`]s it in the end.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::process::Uid;

use super::mapping::MappingMut;
use super::memory::{Locking, MemoryError};

/// Of the machine's memory, what plaintext may take: nothing here can be swapped out to make room,
/// and a full store is an honest error where a full machine is a killed process.
const LIMIT: &str = "75%";

/// An object's creator writes it. Whoever was given a descriptor may read it; nobody else can name it.
const OBJECT: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::ROTH);

/// What the objects of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Never swapped, whoever holds them.
    NoSwap,
    /// Kept out of swap by a locked mapping of a living process only.
    Locked,
}

/// Why there is no place for plaintext.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// The kernel refused the file system.
    #[error("cannot make a file system in memory that is never swapped")]
    #[diagnostic(help("vaultd must run as root, outside of a user namespace"))]
    Create(#[source] io::Error),
    /// There is no such file system, and memory cannot be locked either.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] MemoryError),
}

/// Where memory objects are made.
#[derive(Debug)]
pub struct Store {
    root: Option<OwnedFd>,
    locking: Locking,
    witness: Option<Witness>,
}

/// Somebody who gets to know of each object before anything is in it.
struct Witness(Box<dyn Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Store {
    /// Makes a store in which `owner` alone can create objects.
    ///
    /// Its objects are [`Kind::Locked`] where the kernel has no `noswap` or does not grant it, as in
    /// a user namespace; `locking` says whether it must then be possible to lock memory.
    ///
    /// # Errors
    /// [`StoreError`]: memory cannot be locked, or the kernel refused for another reason.
    pub fn open(locking: Locking, owner: Uid) -> Result<Self, StoreError> {
        match file_system(owner) {
            Ok(root) => Ok(Self::from_fd(root)),
            Err(Errno::INVAL | Errno::NODEV | Errno::NOSYS | Errno::PERM) => Self::lockable(locking),
            Err(errno) => Err(StoreError::Create(errno.into())),
        }
    }

    /// Better refused now than when everything is decrypted.
    fn lockable(locking: Locking) -> Result<Self, StoreError> {
        let store = Self::locked(locking);
        let probe = store.create().map_err(StoreError::Create)?;
        store.lock(&MappingMut::of(&probe, 1)?)?;
        Ok(store)
    }

    /// The store of which somebody else handed on the descriptor.
    #[must_use]
    pub fn from_fd(root: OwnedFd) -> Self {
        Self { root: Some(root), locking: Locking::Required, witness: None }
    }

    /// A store that works on every kernel; there is nothing to hand on.
    #[must_use]
    pub fn locked(locking: Locking) -> Self {
        Self { root: None, locking, witness: None }
    }

    /// Has `witness` see each object before anything is in it. It can then wipe what its creator leaves.
    #[must_use]
    pub fn witnessed(
        mut self,
        witness: impl Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.witness = Some(Witness(Box::new(witness)));
        self
    }

    /// Keeps an object out of swap for as long as `mapping` lives, where the store itself does not; call it before
    /// filling.
    ///
    /// # Errors
    /// [`MemoryError::Lock`] when it cannot be locked and must be.
    pub fn lock(&self, mapping: &MappingMut) -> Result<(), MemoryError> {
        match self.kind() {
            Kind::NoSwap => Ok(()),
            Kind::Locked => mapping.lock(self.locking).map(drop),
        }
    }

    /// What its objects are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.root {
            Some(_) => Kind::NoSwap,
            None => Kind::Locked,
        }
    }

    /// The root folder, to be handed on or to allow writing beneath; none if [`Kind::Locked`].
    #[must_use]
    pub fn root(&self) -> Option<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd)
    }

    /// Makes an empty object without a name, which its creator alone can write.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn create(&self) -> io::Result<File> {
        let object = self.new_object()?;
        if let Some(Witness(see)) = &self.witness {
            see(object.as_fd())?;
        }
        Ok(object)
    }

    fn new_object(&self) -> io::Result<File> {
        let Some(root) = &self.root else { return memory_object() };
        // EXCL: it can never be given a name.
        let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let object = rustix::fs::openat(root, ".", flags, OBJECT)?;
        rustix::fs::fchmod(&object, OBJECT)?;
        Ok(object.into())
    }
}

/// Opens an object once more, for reading only. It is its creator's, whom nobody else runs as: a holder of the new
/// descriptor cannot turn it into one for writing.
///
/// The creator must be gone before the object counts. A memfd's size is fixed. Needs `/proc`.
///
/// # Errors
/// What the kernel said.
pub fn read_only(object: &File) -> io::Result<OwnedFd> {
    match rustix::fs::fcntl_add_seals(object, SealFlags::SHRINK | SealFlags::GROW) {
        // Files on a tmpfs cannot be sealed, and sealing twice needs no second time.
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let path = format!("/proc/self/fd/{}", object.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Overwrites all of an object with zeros and gives its memory back.
///
/// Its size stays: who still maps it reads zeros, where a shorter file would end it with SIGBUS.
///
/// # Errors
/// What the kernel said; then the object is not wiped.
pub fn wipe(object: &File) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 1 << 16];
    let size = object.metadata()?.len();
    let mut done = 0;
    while done < size {
        let part = usize::try_from(size - done).unwrap_or(usize::MAX).min(ZEROS.len());
        object.write_all_at(&ZEROS[..part], done)?;
        done += part as u64;
    }
    if size > 0 {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Only whole pages are given back: the last one too.
        rustix::fs::fallocate(object, flags, 0, size.next_multiple_of(ZEROS.len() as u64))?;
    }
    Ok(())
}

/// A tmpfs that is attached nowhere (fsopen(2)).
fn file_system(owner: Uid) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_flag(&context, "noswap")?;
    // Huge pages where they lie within an object, so that none is rounded up to 2 MiB: large files are read half as
    // fast again. A kernel without them does not know the option.
    let _ = rustix::mount::fsconfig_set_string(&context, "huge", "within_size");
    let options = [("mode", "0700"), ("size", LIMIT), ("nr_inodes", "0")];
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&context, key, value)?;
    }
    rustix::mount::fsconfig_set_string(&context, "uid", owner.as_raw().to_string())?;
    rustix::mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn memory_object() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let object = match rustix::fs::memfd_create("vaultd", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => rustix::fs::memfd_create("vaultd", flags),
        made => made,
    }?;
    rustix::fs::fchmod(&object, OBJECT)?;
    Ok(object.into())
}

#[cfg(test)]
mod tests;
