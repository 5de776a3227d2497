//! The resolver: looks up the users and groups of a plan. The name service may run foreign code, may hang, and
//! may itself wait for a secret, so it runs apart from everything else.

mod owner;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

pub use self::owner::{OwnerError, Owners, Ownership};
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob, refusal};
use crate::verifier::Findings;

/// Does what the resolver was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((station, descriptors)) = channel.receive::<Station>()? else { return Ok(()) };
    let findings = descriptors.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    match look_up(station, &findings) {
        Ok(owners) => channel.send(&Answer::Done(()), &[blob::write("owners", &owners)?.as_fd()]),
        Err(error) => channel.send(&refusal::<()>(&error), &[]),
    }
}

fn look_up(station: Station, findings: &OwnedFd) -> Result<Owners, OwnerError> {
    // Before anything is looked at that came out of the vault.
    station.take(Role::Resolver, None::<&OwnedFd>, None::<&OwnedFd>)?;
    let findings: Findings = blob::read(findings)?;
    let mut owners = Owners::default();
    findings.plan.files.iter().try_for_each(|file| owners.look_up(&file.owner, &file.group))?;
    Ok(owners)
}
