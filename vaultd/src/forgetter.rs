//! The forgetter: has the kernel forget what it remembers of generations that are shown no more.
//!
//! The kernel may make whoever asks for it wait until a request is answered, and nobody who waits so can be killed. A
//! server that did could not be followed by the next one, which answers; nor could a monitor. So a process asks that
//! does nothing else, and that nobody has to wait for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::generation::Stale;
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob};
use crate::sys::device;

/// What it is to do. The device comes along, and a list of [`Stale`], written down. With the answer comes a list of the
/// nodes among them that the kernel does not know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where it stands.
    pub station: Station,
}

/// Does what the forgetter was started for.
///
/// # Errors
/// It could not be confined, or nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, descriptors)) = channel.receive::<Order>()? else { return Ok(()) };
    order.station.take(Role::Forgetter, None::<&OwnedFd>, None::<&OwnedFd>).map_err(io::Error::other)?;
    let [device, list] = <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData)?;
    let stale: Vec<Stale> = blob::read(&list)?;
    let unknown: Vec<u64> = stale.iter().filter_map(|stale| forget(&device, stale)).collect();
    channel.send(&Answer::Done(()), &[blob::write("unknown", &unknown)?.as_fd()])
}

/// Tells a node that the kernel does not know.
fn forget(device: &OwnedFd, stale: &Stale) -> Option<u64> {
    match stale {
        Stale::Name { parent, name } => {
            // What the kernel does not know, it need not forget; and if it is gone, so is all that it knew.
            let _ = device::forget_name(device, *parent, name);
            None
        }
        Stale::Node(node) => match device::forget_node(device, *node) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(*node),
            _ => None,
        },
    }
}
