//! What the descriptors are that lie with the service manager.

use serde::{Deserialize, Serialize};

use crate::configuration::Record;
use crate::monitor::State;
use crate::monitor::connection::Connection;
use crate::monitor::kept::{Kept, Registered};
use crate::monitor::leaving::LettingGo;
use crate::monitor::mountinfo::Mounted;
use crate::resolver::Unresolved;
use crate::server::Agreement;
use crate::state::Facts;

/// How all that lies there is written: the manifest, indexes, plans, owners, open files, attempts, what was told. A monitor
/// goes on with its own format and makes the mount anew for any other, so it grows with every change of one of them.
pub const FORMAT: u32 = 1;

/// The descriptors of a connection, by name.
pub(super) const CONNECTION: [&str; 4] = ["device", "handles", "attempts", "told"];

/// What is known of a mount beside the descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// See `FORMAT`.
    pub format: u32,
    /// The mount, as the kernel tells it from others.
    pub mount: Mounted,
    /// The kernel's offer, as it came.
    pub offer: Vec<u8>,
    /// Whether the kernel asks when files are opened. What it began with, it goes on with.
    pub record: Record,
    /// What the kernel does for this connection.
    pub agreement: Agreement,
    /// Whether no request was in hand when it was left.
    pub rests: bool,
    /// How many servers died and were followed by another one.
    pub restarts: u64,
    /// What tells the served state from others.
    pub facts: Option<Facts>,
    /// How many files it has.
    pub files: usize,
    /// The names of owners that mean nobody.
    pub unresolved: Unresolved,
    /// Whether it is the state accepted last, since the present one was refused.
    pub fallback: bool,
    /// Why the present state was refused.
    pub problem: Option<String>,
    /// From the oldest that somebody has open to the current one.
    pub generations: Vec<Lodged>,
}

/// A generation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lodged {
    /// Its number.
    pub number: u64,
    /// Its objects, by name, and how the kernel reads each.
    pub objects: Vec<(String, Registered)>,
}

impl Lodged {
    /// What to write down of a generation.
    pub fn of(kept: &Kept) -> Self {
        let objects = kept.objects.iter().map(|object| (object.name().to_owned(), object.registered()));
        Self { number: kept.number, objects: objects.collect() }
    }

    /// The name of its index.
    pub fn index(&self) -> String {
        format!("index-{}", self.number)
    }

    /// The name of its plan.
    pub fn plan(&self) -> String {
        format!("plan-{}", self.number)
    }

    /// The name of its owners.
    pub fn owners(&self) -> String {
        format!("owners-{}", self.number)
    }
}

impl Manifest {
    /// What to write down of what is served on a connection; nothing if it cannot be told from other mounts.
    pub(in crate::monitor) fn of(connection: &Connection, state: &State, record: Record) -> Option<Self> {
        Some(Self {
            format: FORMAT,
            mount: connection.mount.mounted()?.clone(),
            offer: connection.offer.clone(),
            record,
            agreement: state.agreement,
            rests: state.letting_go == LettingGo::Rests,
            restarts: state.restarts,
            facts: state.facts.clone(),
            files: state.files,
            unresolved: state.unresolved.clone(),
            fallback: state.fallback,
            problem: state.problem.clone(),
            generations: state.generations.iter().map(Lodged::of).collect(),
        })
    }

    /// The names of all that it speaks of; some come more than once.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let generations = self.generations.iter().flat_map(|lodged| {
            let objects = lodged.objects.iter().map(|(name, _)| name.clone());
            [lodged.index(), lodged.plan(), lodged.owners()].into_iter().chain(objects)
        });
        CONNECTION.into_iter().map(str::to_owned).chain(generations)
    }
}
