//! One FUSE connection: a mount, the device that its requests are read from, and what must outlive a server of
//! it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;

use super::mount::{self, Mount, MountError};
use super::mount_point::MountPoint;
use super::told::Told;
use crate::opens::Decision;
use crate::server::{self, Counts};

/// Longest first request in bytes; the kernel reads no shorter buffers (`FUSE_MIN_READ_BUFFER`).
const FIRST_REQUEST: usize = 8192;

/// The descriptors of a connection that outlive a monitor.
#[derive(Debug)]
pub struct Held<T> {
    /// What requests are read from.
    pub device: T,
    /// The open files.
    pub handles: T,
    /// The requests that were handled again.
    pub attempts: T,
    /// How many opens were told of.
    pub told: T,
}

/// A mount and its device.
#[derive(Debug)]
pub struct Connection {
    /// The mount; it ends with the connection.
    pub mount: Mount,
    /// What requests are read from.
    pub device: Arc<OwnedFd>,
    /// The kernel's offer (`FUSE_INIT`), as it came: it comes once, and each server needs it.
    pub offer: Vec<u8>,
    /// Whether the kernel got an answer to its offer.
    accepted: AtomicBool,
    /// The open files.
    handles: File,
    /// How many opens were told of.
    told: Told,
    /// The requests that were handled again.
    attempts: OwnedFd,
}

impl Connection {
    /// Mounts. Callers wait from now on until a server answers them.
    ///
    /// # Errors
    /// [`MountError`]: the kernel refuses.
    pub fn new(mount_point: &MountPoint) -> Result<Self, MountError> {
        let device = mount::open_device()?;
        let mount = Mount::new(mount_point, &device)?;
        let failed = |errno: rustix::io::Errno| MountError::Device(errno.into());
        let mut offer = vec![0; FIRST_REQUEST];
        let length = rustix::io::read(&device, &mut offer).map_err(failed)?;
        offer.truncate(length);
        let object = |name| rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC).map_err(failed);
        let (handles, attempts, told) =
            (File::from(object("handles")?), object("attempts")?, File::from(object("told")?));
        let told = Told::take_over(told).map_err(MountError::Device)?;
        let accepted = AtomicBool::new(false);
        Ok(Self { mount, device: Arc::new(device), offer, accepted, handles, told, attempts })
    }

    /// Goes on with a connection of an earlier monitor, whose `offer` the kernel got an answer to.
    ///
    /// # Errors
    /// What it noted cannot be read.
    pub fn resume(mount: Mount, offer: Vec<u8>, held: Held<OwnedFd>) -> io::Result<Self> {
        let Held { device, handles, attempts, told } = held;
        Ok(Self {
            mount,
            device: Arc::new(device),
            offer,
            accepted: AtomicBool::new(true),
            handles: handles.into(),
            told: Told::take_over(told.into())?,
            attempts,
        })
    }

    /// What the next monitor needs to go on with it.
    #[must_use]
    pub fn held(&self) -> Held<BorrowedFd<'_>> {
        let [device, handles, attempts] = self.descriptors();
        Held { device, handles, attempts, told: self.told.as_fd() }
    }

    /// Gives the kernel the first answer to its offer. Those of later servers are the same.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn accept(&self, answer: &[u8]) -> io::Result<()> {
        if answer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !self.accepted.load(Ordering::Acquire) {
            rustix::io::write(&self.device, answer)?;
            self.accepted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Whether the kernel sends requests.
    pub fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Acquire)
    }

    /// Whether the kernel has ended it: it was unmounted, and nothing of it is open any more.
    pub fn is_gone(&self) -> bool {
        let mut device = [PollFd::new(&self.device, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut device, Some(&now)).is_ok() && device[0].revents().contains(PollFlags::ERR)
    }

    /// Forgets which requests a server was handling when it died: one that was killed from outside is no
    /// request's fault.
    ///
    /// # Errors
    /// ftruncate(2) failed.
    pub fn forgive(&self) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.attempts, 0)?)
    }

    /// How many files were opened on it, and how many were not since a rule forbids it.
    pub fn counts(&self) -> Counts {
        server::counts(&self.handles).unwrap_or_default()
    }

    /// A server told of opens.
    pub fn was_told(&self, decision: Decision, count: u64) {
        self.told.add(decision, count);
    }

    /// When no server is there: how many opens there were that no server told of. They count as told from now on.
    #[must_use]
    pub fn untold(&self) -> Vec<(Decision, u64)> {
        self.told.rest(self.counts())
    }

    /// What a server needs of it: the device, the open files, the attempts.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [self.device.as_fd(), self.handles.as_fd(), self.attempts.as_fd()]
    }
}
