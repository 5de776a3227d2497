//! The resolver: looks up the users and groups of a plan. The name service may run foreign code, may hang, and
//! may itself wait for a secret, so it runs apart from everything else.

mod owner;

use std::io;
use std::os::fd::AsFd;

pub use self::owner::{OwnerError, Owners, Ownership};
use crate::process::channel::Channel;
use crate::process::{Answer, blob, refusal};
use crate::verifier::Findings;

/// Does what the resolver was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some(((), descriptors)) = channel.receive::<()>()? else { return Ok(()) };
    let findings = descriptors.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    let findings: Findings = blob::read(findings)?;
    let mut owners = Owners::default();
    match findings.plan.files.iter().try_for_each(|file| owners.look_up(&file.owner, &file.group)) {
        Ok(()) => channel.send(&Answer::Done(()), &[blob::write("owners", &owners)?.as_fd()]),
        Err(error) => channel.send(&refusal::<()>(&error), &[]),
    }
}
