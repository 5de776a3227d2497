//! Files that the kernel reads without asking us (`FUSE_PASSTHROUGH`, Linux 6.9).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use fuser::{BackingId, FileHandle, FopenFlags, ReplyOpen};
use rustix::ioctl::{Setter, ioctl, opcode};

/// `FUSE_DEV_IOC_BACKING_CLOSE` of <linux/fuse.h>.
const CLOSE: rustix::ioctl::Opcode = opcode::write::<u32>(229, 2);

/// A memory object that the kernel was asked to read itself, until dropped. Files that are open stay readable.
#[derive(Debug)]
pub struct Backing {
    device: Arc<OwnedFd>,
    number: Option<u32>,
}

impl Backing {
    /// Registers an object on the connection of `device`. Needs CAP_SYS_ADMIN, and an agreement that has it. What
    /// the kernel refuses now is not asked for again on this connection: it opens a file in one way as long as it
    /// knows it, and fails the other (EIO).
    #[must_use]
    pub fn register(device: &Arc<OwnedFd>, object: &impl AsFd) -> Self {
        Self { device: Arc::clone(device), number: BackingId::create_raw(&**device, object).ok() }
    }

    /// One that was registered on that connection before, unless the kernel refused it then.
    #[must_use]
    pub fn resume(device: &Arc<OwnedFd>, number: Option<u32>) -> Self {
        Self { device: Arc::clone(device), number }
    }

    /// What the kernel calls it, if it took it.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.number
    }

    /// Whether it was asked for on the connection of this very device.
    #[must_use]
    pub fn is_of(&self, device: &Arc<OwnedFd>) -> bool {
        Arc::ptr_eq(&self.device, device)
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        // SAFETY: the operation reads one u32, which is what `Setter` passes a pointer to.
        // It fails only where the connection is gone, and the registration with it.
        let _ = unsafe { ioctl(&*self.device, Setter::<{ CLOSE }, u32>::new(number)) };
    }
}

/// Answers that a file is open, and that its reads go to the memory object that the monitor registered as
/// `backing`.
pub fn reply(reply: ReplyOpen, handle: FileHandle, backing: u32) {
    // SAFETY: the number is that of an object which the monitor registered on this very connection, and which
    // it keeps registered for as long as a generation with the file exists. `into_raw` below lets the number
    // go without closing the registration.
    let backing = unsafe { reply.wrap_backing(backing) };
    reply.opened_passthrough(handle, FopenFlags::empty(), &backing);
    let _ = backing.into_raw();
}
