//! The caller: asks a mount again and again, so that each thread of its server comes by and rests. Whoever waits for an
//! answer of a server that is killed cannot be ended, so nobody else asks.

use std::io;
use std::path::PathBuf;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::process::channel::Channel;

/// What it is to do, until it is ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where to ask.
    pub mount_point: PathBuf,
}

/// Asks until nobody answers, or it is ended; the last time perhaps for ever.
///
/// # Errors
/// The monitor is gone.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, _)) = channel.receive::<Order>()? else { return Ok(()) };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    while rustix::fs::statfs(&order.mount_point).is_ok() {}
    Ok(())
}
