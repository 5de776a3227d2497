//! Files that the kernel reads without asking us (`FUSE_PASSTHROUGH`, Linux 6.9).

use fuser::{FileHandle, FopenFlags, ReplyOpen};

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
