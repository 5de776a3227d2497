//! The server: answers the kernel's requests from what the monitor hands to it.
//!
//! It mounts nothing, opens nothing and holds no identity. It may be killed at any moment: what must outlive it
//! lies in memory objects that the monitor keeps, and the next server goes on with the same `/dev/fuse`. So every
//! server, the first too, agrees with the kernel over a socket, to which the monitor relays or replays the
//! kernel's side, and gets the device only then.

mod answers;
mod attempts;
mod attributes;
mod bursts;
mod filesystem;
mod handles;
mod housekeeping;
mod judge;
mod listing;
mod opening;
mod rest;
mod retries;
mod shared;
mod view;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;

use fuser::{Config, SessionACL};
use serde::{Deserialize, Serialize};

pub use self::handles::{Counts, counts};
pub use self::shared::Agreement;
use self::{
    attempts::Attempts,
    filesystem::Requests,
    handles::Handles,
    housekeeping::Task,
    opening::Doorkeeper,
    shared::{Served, Shared},
    view::View,
};
use crate::configuration::Record;
use crate::generation::{Generation, Index, Stale};
use crate::process::channel::Channel;
use crate::process::{Role, Station, blob};
use crate::sys::device;
use crate::sys::mapping::Mapped;

/// Threads that answer requests: enough to overlap, each costs a buffer.
const THREADS: std::ops::RangeInclusive<usize> = 2..=8;

/// What the monitor tells a server.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// To take its station, and to agree with the kernel over the socket that comes along.
    Agree(Station),
    /// To serve. Along come the device, the open handles, the attempts, the lines on which to ask for processes
    /// and for units, and to tell of opens, a list of [`Parcel`]s written down, since it may be too long for a
    /// message, the index of each of them, and all objects, each once. They are the generations from the oldest that
    /// somebody may have open to the current one.
    Serve {
        /// Whether the kernel is to send again what another server left unanswered.
        asks_again: bool,
        /// Whether to tell of opens.
        record: Record,
    },
    /// To show another generation. Its index and objects come along.
    SwitchTo(Parcel),
    /// The kernel does not know these nodes, of which a list comes along.
    Unknown,
    /// To tell that requests are answered.
    Ping,
    /// To have the kernel forget nothing any more: another server begins with that.
    Pause,
    /// To answer what is in hand and then nothing any more, for another server to go on.
    Rest,
}

/// A generation on its way to a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// Its number.
    pub number: u64,
    /// Which of the objects that come along are its own.
    pub objects: Vec<usize>,
    /// For each of them, the number under which the kernel reads it itself, if it does.
    pub backings: Vec<Option<u32>>,
}

/// What a server tells the monitor.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// It has agreed with the kernel.
    Agreed(Agreement),
    /// The kernel must forget these.
    Stale(Vec<Stale>),
    /// It shows this generation, and nothing of another one once the kernel has forgotten what was told before.
    Shows {
        /// The generation.
        generation: u64,
        /// Generations that nobody has open any more.
        dropped: Vec<u64>,
    },
    /// All requests were answered that it had when it was asked.
    Alive,
    /// It has the kernel forget nothing after what was told before.
    Pauses,
    /// It has no request in hand, and takes none any more.
    Rests,
}

/// Does what a server was started for, until the mount is gone.
///
/// # Errors
/// The monitor or the kernel is not there any more, or memory is short.
pub fn main(channel: Channel) -> io::Result<()> {
    let Some((Order::Agree(station), descriptors)) = channel.receive()? else { return Ok(()) };
    station.take(Role::Server, None::<&OwnedFd>, None::<&OwnedFd>).map_err(io::Error::other)?;
    serve(channel, descriptors)
}

/// What [`main`] does once it is confined; for a process that must not be.
///
/// # Errors
/// As [`main`].
pub fn serve(channel: Channel, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let socket = descriptors.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
    let session = Session::agree(socket)?;
    channel.send(&Report::Agreed(session.agreement()), &[])?;

    let Some((Order::Serve { asks_again, record }, descriptors)) = channel.receive()? else {
        return Ok(());
    };
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(io::Error::from(io::ErrorKind::InvalidData));
    let device = next()?;
    let handles = Handles::take_over(File::from(next()?))?;
    let attempts = Attempts::take_over(File::from(next()?))?;
    let doorkeeper = Doorkeeper::new([next()?, next()?, next()?], record);
    let parcels = blob::read(&next()?)?;
    let mut known = Mapped::default();
    let generations = unpack(parcels, descriptors, &mut known)?.into_iter().map(Arc::new).collect();
    session.serve(&device, channel, State { generations, handles, attempts, doorkeeper, known }, asks_again)
}

/// Unpacks generations that came together.
fn unpack(
    parcels: Vec<Parcel>,
    descriptors: impl IntoIterator<Item = OwnedFd>,
    known: &mut Mapped,
) -> io::Result<Vec<Generation>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut descriptors = descriptors.into_iter();
    let indexes: Vec<OwnedFd> = descriptors.by_ref().take(parcels.len()).collect();
    let objects = descriptors.map(|object| known.map(&object)).collect::<Result<Vec<_>, _>>();
    let objects = objects.map_err(io::Error::other)?;
    let open = |(at, parcel): (usize, Parcel)| {
        let index: Index = blob::read(indexes.get(at).ok_or_else(invalid)?)?;
        let own = parcel.objects.iter().map(|object| objects.get(*object).cloned());
        let own = own.collect::<Option<Vec<_>>>().ok_or_else(invalid)?;
        Generation::open(parcel.number, index, own, parcel.backings).map_err(io::Error::other)
    };
    parcels.into_iter().enumerate().map(open).collect()
}

/// What a server starts with.
struct State {
    generations: Vec<Arc<Generation>>,
    handles: Handles,
    attempts: Attempts,
    doorkeeper: Doorkeeper,
    known: Mapped,
}

/// A conversation with the kernel.
struct Session {
    session: fuser::Session<Requests>,
    shared: Arc<Shared>,
}

impl Session {
    /// Agrees with the kernel, or whoever speaks for it, on how to serve.
    fn agree(socket: OwnedFd) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(*THREADS.start(), usize::from);
        let mut config = Config::default();
        config.acl = SessionACL::All;
        let threads = threads.clamp(*THREADS.start(), *THREADS.end());
        config.n_threads = Some(threads);
        // A cloned descriptor would take its requests in flight with it when it closes.
        config.clone_fd = false;
        let shared = Arc::new(Shared::new(threads));
        let requests = Requests::new(Arc::clone(&shared));
        let session = fuser::Session::from_fd(requests, socket, SessionACL::All, config)?;
        Ok(Self { session, shared })
    }

    fn agreement(&self) -> Agreement {
        self.shared.agreement()
    }

    /// Answers until the mount is gone.
    fn serve(self, device: &OwnedFd, channel: Channel, state: State, asks_again: bool) -> io::Result<()> {
        let Self { session, shared } = self;
        let view = View::of(state.generations).ok_or(io::ErrorKind::InvalidData)?;
        let (asker, tasks) = mpsc::channel();
        let State { handles, attempts, doorkeeper, known, .. } = state;
        shared.serve(Served::new(view, handles, attempts, doorkeeper, asker.clone()));
        device::replace(&session, device)?;

        let channel = Arc::new(channel);
        let keeper = (Arc::clone(&shared), Arc::clone(&channel));
        thread::spawn(move || end_with(housekeeping::keep(&keeper.0, &keeper.1, tasks)));
        let _ = asker.send(Task::Refresh);
        let ending = Arc::clone(&shared);
        thread::spawn(move || {
            let taken = take_orders(&channel, &asker, known);
            ending.finish();
            end_with(taken);
        });
        if asks_again {
            device::ask_again(device)?;
        }
        let ended = session.run();
        shared.finish();
        ended
    }
}

/// A server that cannot hear the monitor, or speak to it, is of no use: the next one may do better.
fn end_with(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        eprintln!("vaultd server: {error}");
    }
    std::process::exit(1);
}

/// Listens to the monitor until it is gone.
fn take_orders(channel: &Channel, tasks: &mpsc::Sender<Task>, mut known: Mapped) -> io::Result<()> {
    while let Some((order, descriptors)) = channel.receive()? {
        let task = match order {
            Order::SwitchTo(parcel) => {
                let unpacked = unpack(vec![parcel], descriptors, &mut known)?;
                unpacked.into_iter().next().map(Task::SwitchTo).ok_or(io::ErrorKind::InvalidData)?
            }
            Order::Unknown => {
                Task::Unknown(blob::read(descriptors.first().ok_or(io::ErrorKind::InvalidData)?)?)
            }
            Order::Ping => Task::Answer,
            Order::Pause => Task::Pause,
            Order::Rest => Task::Rest,
            Order::Agree(_) | Order::Serve { .. } => return Err(io::ErrorKind::InvalidData.into()),
        };
        if tasks.send(task).is_err() {
            break;
        }
    }
    Ok(())
}
