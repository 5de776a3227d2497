//! What the service manager is told, and given to keep (sd_notify(3)); where there is none, nobody is.

use std::env;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::{PipeFlags, pipe_with};
use sd_notify::NotifyState;

/// How long it may take until it has done what it was told. It may be busy with starting a whole machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The files are readable.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The vault is loaded anew of our own accord, not by a command that the manager waits for; [`ready`] ends it.
pub fn reloading() {
    // A manager gives up on a service that does not say when.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Another state is served, or the present one was refused.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The mount is being taken away.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A manager that does not listen is no reason not to serve; it gives up on us by its own rules.
fn tell(news: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(news);
}

/// How many descriptors it keeps for us while this process ends and the next one starts (`$FDSTORE`, systemd.exec(5)).
#[must_use]
pub fn room() -> usize {
    env::var("FDSTORE").ok().and_then(|room| room.parse().ok()).unwrap_or(0)
}

/// Gives it a descriptor to keep.
///
/// # Errors
/// It does not listen.
pub fn store(name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(name)], &[descriptor])
}

/// Has it close the descriptors of a name, if there are any.
///
/// # Errors
/// It does not listen.
pub fn remove(name: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)])
}

/// Waits until it has done all that it was told.
///
/// # Errors
/// It does not listen.
pub fn wait() -> io::Result<()> {
    let (here, there) = pipe_with(PipeFlags::CLOEXEC)?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[there.as_fd()])?;
    drop(there);
    // It closes the other end when it comes to that.
    let mut closed = [PollFd::new(&here, PollFlags::empty())];
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    match rustix::event::poll(&mut closed, Some(&patience))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}
