//! The resolver: looks up the users and groups of a plan. The name service may run foreign code, may hang, and
//! may itself wait for a secret, so it runs apart from everything else.

mod owner;
mod people;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::owner::{Name, OwnerError, Owners, Ownership};
pub use self::people::{Asked, People, Person};
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob, refusal};
use crate::verifier::Findings;

/// How long the name service may take, for all names together.
const LIMIT: Duration = Duration::from_secs(10);

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
    /// The owners of all files. What the verifier found comes along.
    Owners {
        /// Whether every name must have an answer. At the start none must: the name service may itself wait for a
        /// secret of this mount, and what it does not tell is left to root.
        must_answer: bool,
    },
    /// Who somebody is.
    People(Asked),
}

/// Does what the resolver was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, descriptors)) = channel.receive::<Order>()? else { return Ok(()) };
    match look_up(order, descriptors) {
        Ok(found) => channel.send(&Answer::Done(()), &[found.as_fd()]),
        Err(error) => channel.send(&refusal::<()>(&error), &[]),
    }
}

fn look_up(order: Order, descriptors: Vec<OwnedFd>) -> Result<OwnedFd, OwnerError> {
    // Before anything is looked at that came out of the vault.
    order.station.take(Role::Resolver, None::<&OwnedFd>, None::<&OwnedFd>)?;
    match order.task {
        Task::Owners { must_answer } => {
            let findings = descriptors.into_iter().next();
            let findings = findings.ok_or(io::Error::from(io::ErrorKind::InvalidData))?;
            Ok(blob::write("owners", &owners(&findings, must_answer)?)?)
        }
        Task::People(asked) => Ok(blob::write("people", &People::of(&asked)?)?),
    }
}

fn owners(findings: &OwnedFd, must_answer: bool) -> Result<Owners, OwnerError> {
    let findings: Findings = blob::read(findings)?;
    ask(findings.names, must_answer, LIMIT, Name::look_up)
}

/// Asks for all names, as long as there is time.
fn ask(
    names: BTreeSet<Name>,
    must_answer: bool,
    limit: Duration,
    look_up: impl Fn(&Name) -> Result<Option<u32>, OwnerError> + Send + 'static,
) -> Result<Owners, OwnerError> {
    let mut owners = Owners::default();
    names.iter().for_each(|name| owners.learn(name.clone(), None));
    let (answers, answered) = mpsc::channel();
    // One that hangs ends with this process.
    thread::spawn(move || {
        names.into_iter().map(|name| (look_up(&name), name)).try_for_each(|answer| answers.send(answer))
    });
    let end = Instant::now() + limit;
    loop {
        match answered.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok((Ok(id), name)) => owners.learn(name, id),
            Ok((Err(error), _)) if must_answer => return Err(error),
            Err(RecvTimeoutError::Timeout) if must_answer => return Err(OwnerError::Hangs),
            Ok((Err(_), _)) => {}
            Err(_) => return Ok(owners),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::{Name, OwnerError, ask};

    /// The name service knows users at once, and never says anything about groups.
    fn look_up(name: &Name) -> Result<Option<u32>, OwnerError> {
        match name {
            Name::User(_) => Ok(Some(7)),
            Name::Group(_) => loop {
                thread::park();
            },
        }
    }

    #[test]
    fn a_name_service_that_hangs_leaves_the_rest_to_root() {
        let names = || Name::of("user", "group").collect();
        let limit = Duration::from_millis(100);
        let owners = ask(names(), false, limit, look_up).expect("owners");
        assert_eq!(owners.unknown(), ["group"]);
        assert_eq!(owners.resolve("user", "0", 0o400).expect("an owner").owner, 7);
        assert!(matches!(ask(names(), true, limit, look_up), Err(OwnerError::Hangs)));
    }
}
