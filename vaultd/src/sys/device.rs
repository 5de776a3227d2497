//! The kernel's side of a mount, `/dev/fuse` (fuse(4)).

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The notification that asks for everything again that was not answered (`FUSE_NOTIFY_RESEND`, Linux 6.9).
const RESEND: i32 = 7;

/// Bytes of a notification that is nothing but its head (`struct fuse_out_header`).
const HEAD: u32 = 16;

/// Puts `device` in the place of the descriptor that `session` reads from.
///
/// # Errors
/// dup3(2) failed.
pub fn replace(session: &impl AsFd, device: &OwnedFd) -> io::Result<()> {
    let number = session.as_fd().as_raw_fd();
    // SAFETY: the number is that of an open descriptor, since `session` is borrowed; it is not closed here, and
    // stays the session's own: dup3 gives it another file, and no moment passes at which it is not open.
    let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    rustix::io::dup3(device, &mut place, rustix::io::DupFlags::CLOEXEC)?;
    Ok(())
}

/// Asks the kernel to send again what a dead server had read and not answered.
///
/// # Errors
/// The kernel is older, or the connection is gone.
pub fn ask_again(device: &impl AsFd) -> io::Result<()> {
    let mut notification = [0; HEAD as usize];
    notification[..4].copy_from_slice(&HEAD.to_ne_bytes());
    notification[4..8].copy_from_slice(&RESEND.to_ne_bytes());
    rustix::io::write(device, &notification)?;
    Ok(())
}
