//! What of a mount lies with the service manager, so that it outlives this monitor: the device, the open files, the
//! generations (FileDescriptorStoreMax= of systemd.service(5)). Never of memory that only a living process keeps out
//! of swap.
//!
//! Each descriptor lies there under a name. The manifest, which is stored last and removed first, says what they are;
//! so whatever happens in between, what it says is complete.

mod manifest;
mod taking;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::manifest::CONNECTION;
pub use self::manifest::Manifest;
pub use self::taking::{Left, Taken, left};
use super::connection::{Connection, Held};
use super::{State, service_manager};
use crate::configuration::Record;
use crate::process::blob;

/// What the names of manifests begin with; a number follows, of which the highest counts.
const MANIFEST: &str = "manifest-";

/// Where this monitor's descriptors lie.
#[derive(Debug)]
pub struct Parking {
    /// How many there may be.
    room: usize,
    lot: Mutex<Lot>,
}

#[derive(Debug, Default)]
struct Lot {
    /// The names of all that lies there but the manifest.
    stored: HashSet<String>,
    /// The number of the newest manifest.
    manifest: u64,
    /// Whether it is the last that was asked for.
    is_complete: bool,
}

/// What is to lie there.
#[derive(Debug)]
pub struct Contents {
    /// What it is.
    pub manifest: Manifest,
    /// What of it does not lie there yet, by name.
    pub missing: Vec<(String, OwnedFd)>,
}

/// Why nothing lies there.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ParkError {
    #[error("{needed} descriptors are to outlive vaultd, and the service manager takes {room}")]
    #[diagnostic(help("raise FileDescriptorStoreMax= of vaultd.service"))]
    Full { needed: usize, room: usize },
    #[error("the service manager cannot be given descriptors")]
    #[diagnostic(help("`systemctl restart` makes the mount anew until then: see `journalctl -u vaultd`"))]
    Io(#[from] io::Error),
}

impl Parking {
    /// Where nothing lies yet. Nothing ever does if there is no service manager that would take it, or `outlives` is
    /// false: the plaintext must not outlive this process.
    #[must_use]
    pub fn new(outlives: bool) -> Self {
        let room = if outlives { service_manager::room() } else { 0 };
        Self { room, lot: Mutex::default() }
    }

    /// Where an earlier monitor left this.
    #[must_use]
    fn of(stored: HashSet<String>, manifest: u64) -> Self {
        Self { room: service_manager::room(), lot: Mutex::new(Lot { stored, manifest, is_complete: true }) }
    }

    /// Whether anything may lie there at all.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.room > 0
    }

    /// Whether the next monitor could go on.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lot().is_complete
    }

    /// Has lie there what `contents` says, which is given the names of what does already. If that fails nothing does,
    /// and the next monitor mounts anew: something that is out of date must not be served.
    pub fn update(&self, contents: impl FnOnce(&HashSet<String>) -> io::Result<Option<Contents>>) {
        if self.room == 0 {
            return;
        }
        // Held until it is done: what is newer comes later.
        let mut lot = self.lot();
        let outcome = match contents(&lot.stored) {
            Ok(None) => return,
            Ok(Some(contents)) => lot.replace(contents, self.room),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            lot.clear();
            eprintln!("warning: {}", vault_format::report::render(&error).trim_start_matches("error: "));
        }
    }

    /// Has nothing lie there any more.
    pub fn clear(&self) {
        if self.room > 0 {
            self.lot().clear();
        }
    }

    fn lot(&self) -> MutexGuard<'_, Lot> {
        self.lot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lot {
    fn replace(&mut self, Contents { manifest, missing }: Contents, room: usize) -> Result<(), ParkError> {
        let names: HashSet<String> = manifest.names().collect();
        // Two manifests, and what is about to be removed.
        let needed = self.stored.union(&names).count() + 2;
        if needed > room {
            return Err(ParkError::Full { needed, room });
        }
        for (name, descriptor) in missing {
            service_manager::store(&name, descriptor.as_fd())?;
            self.stored.insert(name);
        }
        let number = self.manifest + 1;
        service_manager::store(
            &format!("{MANIFEST}{number}"),
            blob::write_json("manifest", &manifest)?.as_fd(),
        )?;
        let before = std::mem::replace(&mut self.manifest, number);
        self.is_complete = true;
        service_manager::remove(&format!("{MANIFEST}{before}"))?;
        let gone: Vec<String> = self.stored.difference(&names).cloned().collect();
        for name in gone {
            service_manager::remove(&name)?;
            self.stored.remove(&name);
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.is_complete = false;
        let manifest = format!("{MANIFEST}{}", self.manifest);
        // One that does not listen keeps nothing either.
        let _ = service_manager::remove(&manifest);
        for name in self.stored.drain() {
            let _ = service_manager::remove(&name);
        }
    }
}

impl Contents {
    /// What is served on a connection, where some of it is `stored` already; nothing if it cannot be left to another
    /// monitor.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub(super) fn of(
        stored: &HashSet<String>,
        connection: &Connection,
        state: &State,
        record: Record,
    ) -> io::Result<Option<Self>> {
        let Some(manifest) = Manifest::of(connection, state, record) else { return Ok(None) };
        let Held { device, handles, attempts, told } = connection.held();
        let of_connection = CONNECTION.map(str::to_owned).into_iter().zip([device, handles, attempts, told]);
        let of_generations =
            state.generations.iter().zip(&manifest.generations).flat_map(|(kept, lodged)| {
                let objects = kept.objects.iter().map(|object| (object.name().to_owned(), object.writer()));
                let of_it = [
                    (lodged.index(), &kept.index),
                    (lodged.plan(), &kept.plan),
                    (lodged.owners(), &kept.owners),
                ];
                of_it.map(|(name, it)| (name, it.as_fd())).into_iter().chain(objects)
            });
        let missing: HashMap<String, BorrowedFd<'_>> =
            of_connection.chain(of_generations).filter(|(name, _)| !stored.contains(name)).collect();
        let missing = missing.into_iter().map(|(name, it)| Ok((name, it.try_clone_to_owned()?)));
        Ok(Some(Self { missing: missing.collect::<io::Result<_>>()?, manifest }))
    }
}
