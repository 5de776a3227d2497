//! The resolver: looks up the users and groups that files are to belong to. The name service may run foreign code, may hang, and
//! may itself wait for a secret, so it runs apart from everything else.

mod again;
mod name_service;
mod owner;
mod people;
mod reassign;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use serde::{Deserialize, Serialize};

pub use self::again::Again;
pub use self::owner::{Name, OwnerError, Owners, Ownership, Unresolved};
pub use self::people::{Asked, People, Person};
pub use self::reassign::{ReassignError, Reassigned};
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob, refusal};
use crate::verifier::Findings;

/// What the resolver is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where the resolver stands.
    pub station: Station,
    /// For what.
    pub task: Task,
}

/// What the resolver looks up.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// The owners of all files. What the verifier found comes along; [`Owners`] are the answer.
    Owners {
        /// Whether every name must have an answer. At the start none must: the name service may itself wait for a
        /// secret of this mount, and what it does not tell is left to root.
        must_answer: bool,
    },
    /// The owners again, while a vault is served. What they were comes along; [`Again`] is the answer, and beside it
    /// [`Owners`].
    Again {
        /// Whether it is believed that a name means somebody else now, or nobody.
        believes: bool,
    },
    /// Nothing: to give files to whom their names mean now. The plan and the index of what is served come along, and
    /// the owners as they were and as they are; an index, [`Owners`] and [`Reassigned`] are the answer.
    Reassign,
    /// Who somebody is. [`People`] are the answer.
    People(Asked),
}

/// Does what the resolver was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((Order { station, task }, descriptors)) = channel.receive::<Order>()? else { return Ok(()) };
    // Before anything is looked at that came out of the vault.
    if let Err(error) = station.take(Role::Resolver, None::<&OwnedFd>, None::<&OwnedFd>) {
        return channel.send(&refusal::<()>(&error), &[]);
    }
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(io::Error::from(io::ErrorKind::InvalidData));
    match task {
        Task::Owners { must_answer } => {
            answer(channel, next().map_err(OwnerError::from).and_then(|found| owners(&found, must_answer)))
        }
        Task::People(asked) => answer(channel, people(&asked)),
        Task::Again { believes } => {
            let (owners, again) = again::look(&blob::read(&next()?)?, believes);
            let owners = blob::write("owners", &owners)?;
            channel.send(&Answer::Done(again), &[owners.as_fd()])
        }
        Task::Reassign => {
            let mut given = || Ok([next()?, next()?, next()?, next()?]);
            answer(channel, given().and_then(|given| reassign(&given)))
        }
    }
}

fn answer<const N: usize>(
    channel: &Channel,
    found: Result<[OwnedFd; N], impl miette::Diagnostic>,
) -> io::Result<()> {
    match found {
        Ok(found) => channel.send(&Answer::Done(()), &found.each_ref().map(AsFd::as_fd)),
        Err(error) => channel.send(&refusal::<()>(&error), &[]),
    }
}

fn owners(findings: &OwnedFd, must_answer: bool) -> Result<[OwnedFd; 1], OwnerError> {
    let findings: Findings = blob::read(findings)?;
    let mut owners = Owners::default();
    for (name, told) in name_service::ask(findings.names, name_service::LIMIT, Name::look_up) {
        match told {
            Err(error) if must_answer => return Err(error),
            told => owners.learn(name, told.unwrap_or_default()),
        }
    }
    Ok([blob::write("owners", &owners)?])
}

fn people(asked: &Asked) -> Result<[OwnedFd; 1], OwnerError> {
    Ok([blob::write("people", &People::of(asked)?)?])
}

fn reassign([plan, index, known, now]: &[OwnedFd; 4]) -> Result<[OwnedFd; 3], ReassignError> {
    let (plan, index) = (blob::read(plan)?, blob::read(index)?);
    let (index, owners, reassigned) =
        reassign::reassign(&plan, &index, &blob::read(known)?, &blob::read(now)?)?;
    Ok([
        blob::write("index", &index)?,
        blob::write("owners", &owners)?,
        blob::write("reassigned", &reassigned)?,
    ])
}
