//! The kernel's side of a mount, `/dev/fuse` (fuse(4)).

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The kernel is to forget what it knows of a node (`FUSE_NOTIFY_INVAL_INODE`).
const NODE: i32 = 2;

/// The kernel is to forget what a name leads to (`FUSE_NOTIFY_INVAL_ENTRY`).
const NAME: i32 = 3;

/// The kernel is to send everything again that was not answered (`FUSE_NOTIFY_RESEND`, Linux 6.9).
const RESEND: i32 = 7;

/// Bytes of what every notification begins with (`struct fuse_out_header`).
const HEAD: usize = 16;

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
    notify(device, RESEND, &[])
}

/// Has the kernel forget what it knows of a node. It may make us wait for the answer to a request.
///
/// # Errors
/// It does not know the node, or the connection is gone.
pub fn forget_node(device: &impl AsFd, node: u64) -> io::Result<()> {
    // From its first byte to its end (`struct fuse_notify_inval_inode_out`).
    notify(device, NODE, &[&node.to_ne_bytes(), &[0; 16]])
}

/// Has the kernel forget what a name in a directory leads to. It may make us wait for the answer to a request.
///
/// # Errors
/// It does not know the name, or the connection is gone.
pub fn forget_name(device: &impl AsFd, parent: u64, name: &str) -> io::Result<()> {
    let length = u32::try_from(name.len()).map_err(io::Error::other)?;
    // No flags, and a zero at the end (`struct fuse_notify_inval_entry_out`).
    let parts: [&[u8]; 5] = [&parent.to_ne_bytes(), &length.to_ne_bytes(), &[0; 4], name.as_bytes(), &[0]];
    notify(device, NAME, &parts)
}

/// Writes a notification, which the kernel takes whole or not at all.
fn notify(device: &impl AsFd, what: i32, parts: &[&[u8]]) -> io::Result<()> {
    let body = parts.concat();
    let length = u32::try_from(HEAD + body.len()).map_err(io::Error::other)?;
    let head: [&[u8]; 3] = [&length.to_ne_bytes(), &what.to_ne_bytes(), &[0; 8]];
    rustix::io::write(device, &[head.concat(), body].concat())?;
    Ok(())
}
