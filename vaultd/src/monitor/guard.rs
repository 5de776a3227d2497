//! The guard: sees to it that nobody waits for longer than `resume-timeout` when a monitor has ended and the next one
//! does not come. The system manager itself may be among those who wait, and would then never start it. It is a service
//! of its own (`vaultd-guard@.service`), so that it outlives the monitor.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::process::channel::Channel;

/// How long the system manager may take to listen.
const CALLING: Duration = Duration::from_secs(5);

/// How long the guard may take to come. The system manager may be busy with starting a whole machine.
const COMING: Duration = Duration::from_secs(20);

/// How long a server may take to die that was killed along with its monitor.
const DYING: Duration = Duration::from_millis(200);

/// Where the system manager listens for a monitor that wants one.
const SOCKET: &str = "/run/vaultd/guard";

/// What it is to do. The kernel's file to abort the connection with comes along.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    /// Where it is mounted.
    mount_point: PathBuf,
    /// How long whoever asks may wait.
    patience: Duration,
}

/// Has a mount guarded until the answer is dropped: then the next monitor is to serve within `patience`, or `abort`, the
/// kernel's file for that, is written to. Returns when the guard is there, for which the mount must be served.
///
/// # Errors
/// Nobody listens, or comes.
pub fn set(mount_point: &Path, patience: Duration, abort: BorrowedFd<'_>) -> io::Result<Channel> {
    let channel = Channel::connect(SOCKET)?;
    channel.push_at_most(CALLING)?;
    channel.wait_at_most(Some(COMING))?;
    channel.send(&Order { mount_point: mount_point.to_owned(), patience }, &[abort])?;
    match channel.receive::<()>()? {
        Some(_) => Ok(channel),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What became of a mount after its monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next monitor serves it, or it was taken away.
    Well,
    /// It is dead, and still there.
    Dead,
}

/// Waits for the end of the monitor, and then until the next one serves, or it is too late for that.
///
/// # Errors
/// The monitor asks what makes no sense.
pub fn main() -> io::Result<Outcome> {
    let channel = Channel::of_child()?;
    let Some((order, descriptors)) = channel.receive::<Order>()? else { return Ok(Outcome::Well) };
    let abort: OwnedFd = descriptors.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    channel.send(&(), &[])?;
    // It has nothing more to say.
    while channel.receive::<()>()?.is_some() {}
    thread::sleep(DYING);
    Ok(ask(order.mount_point, order.patience.saturating_sub(DYING)).unwrap_or_else(|| {
        eprintln!("no vaultd goes on with the mount: whoever waits for it gets an error");
        // It fails where the connection is gone, which is what we want.
        let _ = rustix::io::write(&abort, b"1");
        Outcome::Dead
    }))
}

/// Asks the mount; nothing if there is no answer in time.
fn ask(mount_point: PathBuf, patience: Duration) -> Option<Outcome> {
    let (answered, answer) = mpsc::channel();
    // Nobody who waits for an answer can be ended; this process can, since it does nothing else.
    thread::spawn(move || answered.send(rustix::fs::statfs(&mount_point).map(drop)));
    let answer = answer.recv_timeout(patience).ok()?;
    Some(match answer {
        Err(Errno::NOTCONN | Errno::CONNABORTED) => Outcome::Dead,
        _ => Outcome::Well,
    })
}
