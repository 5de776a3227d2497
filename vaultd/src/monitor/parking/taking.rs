//! Taking over the mount of an earlier monitor.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::Deserialize;

use super::manifest::{CONNECTION, FORMAT, Lodged, Manifest};
use super::{MANIFEST, Parking};
use crate::configuration::Record;
use crate::monitor::connection::{Connection, Held};
use crate::monitor::kept::{Kept, Object};
use crate::monitor::mount::Mount;
use crate::monitor::mount_point::{self, MountPoint};
use crate::monitor::{mountinfo, service_manager};
use crate::process::blob;
use crate::sys::inherited;
use crate::sys::store::wipe;

/// How long the last server of an earlier monitor may take to die.
const DYING: Duration = Duration::from_secs(5);

/// A mount that was taken over.
#[derive(Debug)]
pub struct Taken {
    /// Where it is.
    pub mount_point: MountPoint,
    /// Its device, and what goes with it.
    pub connection: Connection,
    /// From the oldest that somebody has open to the current one.
    pub generations: Vec<Kept>,
    /// What is known beside that.
    pub manifest: Manifest,
    /// Where all of it lies.
    pub parking: Parking,
}

/// Why a mount is not taken over.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it was left by another version of vaultd")]
    Format,
    #[error("not all of it is there")]
    Incomplete,
    #[error("it is at {0}, which is not where this one is to be")]
    Elsewhere(String),
    #[error("it was taken away")]
    Gone,
    #[error("requests were in flight, which this kernel does not send again")]
    Lost,
    #[error("opens are to be recorded now, or not any more, which the kernel is told once a mount")]
    Record,
    #[error("its server does not end")]
    Undead,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What an earlier monitor left, by name. It is wiped if nobody takes it.
#[derive(Debug)]
pub struct Left(HashMap<String, OwnedFd>);

/// What the service manager kept for this process; none of it, if it kept nothing. To be asked before anything else that
/// may fail.
///
/// # Errors
/// The service manager tells what cannot be.
pub fn left() -> io::Result<Left> {
    Ok(Left(inherited::take()?.into_iter().collect()))
}

impl Drop for Left {
    fn drop(&mut self) {
        let objects = self.0.drain().filter(|(name, _)| name.starts_with(Object::PREFIX));
        for (_, object) in objects {
            let object = File::from(object);
            // It cannot fail on memory that is there; and if it did, the memory would go unwiped with the object.
            let _ = wipe(&object);
            // Whom the kernel lets read it itself is to meet the end of the file, not zeros.
            let _ = object.set_len(0);
        }
    }
}

impl Left {
    /// The mount that an earlier monitor left to the next one at `path`, with `record` as it is wanted; nothing if it
    /// left none. One that cannot be gone on with is ended, and wiped.
    ///
    /// # Errors
    /// The service manager does not listen.
    pub fn take(self, path: &Path, record: Record) -> io::Result<Option<Taken>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let names: HashSet<String> = self.0.keys().cloned().collect();
        let taken = self.resume((path, record), &names);
        if let Err(unfit) = &taken {
            eprintln!("note: the mount of the vaultd before this one is not gone on with: {unfit}");
            // Who waits for an answer is let go when nobody has the device any more.
            names.iter().try_for_each(|name| service_manager::remove(name))?;
            service_manager::wait()?;
        }
        Ok(taken.ok())
    }

    fn resume(mut self, (path, record): (&Path, Record), names: &HashSet<String>) -> Result<Taken, Unfit> {
        let (number, manifest) = self.manifest()?;
        if mountinfo::at(&manifest.mount.path)?.as_ref() != Some(&manifest.mount) {
            return Err(Unfit::Gone);
        }
        // From here on it is ended if it cannot be gone on with.
        let mount = Mount::resume(&manifest.mount);
        if !manifest.names().all(|name| names.contains(&name)) {
            return Err(Unfit::Incomplete);
        }
        if !manifest.rests && !manifest.agreement.resend {
            return Err(Unfit::Lost);
        }
        if manifest.record != record {
            return Err(Unfit::Record);
        }
        if mount_point::resolve(path)? != manifest.mount.path {
            return Err(Unfit::Elsewhere(manifest.mount.path.display().to_string()));
        }
        self.wait_for_the_last_server()?;
        let held = CONNECTION.map(|name| self.0.remove(name));
        let [Some(device), Some(handles), Some(attempts), Some(told)] = held else {
            return Err(Unfit::Incomplete);
        };
        let held = Held { device, handles, attempts, told };
        let connection = Connection::resume(mount, manifest.offer.clone(), held)?;
        if connection.is_gone() {
            return Err(Unfit::Gone);
        }
        let mut objects = HashMap::new();
        let generations = manifest.generations.iter();
        let generations = generations.map(|lodged| self.generation(lodged, &connection, &mut objects));
        let generations = generations.collect::<Result<Vec<Kept>, Unfit>>()?;
        if generations.is_empty() {
            return Err(Unfit::Incomplete);
        }
        let (manifests, stored): (Vec<&String>, Vec<_>) =
            names.iter().partition(|name| name.starts_with(MANIFEST));
        let before = manifests.into_iter().filter(|name| **name != format!("{MANIFEST}{number}"));
        before.into_iter().try_for_each(|name| service_manager::remove(name))?;
        let parking = Parking::of(stored.into_iter().cloned().collect(), number);
        Ok(Taken { mount_point: MountPoint::of(&manifest.mount), connection, generations, manifest, parking })
    }

    /// The newest manifest, and its number.
    fn manifest(&self) -> Result<(u64, Manifest), Unfit> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let numbers = self.0.keys().filter_map(|name| name.strip_prefix(MANIFEST)?.parse().ok());
        let newest: u64 = numbers.max().ok_or(Unfit::Incomplete)?;
        let object = &self.0[&format!("{MANIFEST}{newest}")];
        match blob::read_json::<Head>(object)?.format {
            FORMAT => Ok((newest, blob::read_json(object)?)),
            _ => Err(Unfit::Format),
        }
    }

    /// A server that was killed may be about to take a request along with it, as long as it is there. It has a lock for
    /// that long.
    fn wait_for_the_last_server(&self) -> Result<(), Unfit> {
        let attempts = self.0.get("attempts").ok_or(Unfit::Incomplete)?;
        let start = Instant::now();
        loop {
            match rustix::fs::fcntl_lock(attempts, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::ACCESS) if start.elapsed() < DYING => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(Errno::AGAIN | Errno::ACCESS) => return Err(Unfit::Undead),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        rustix::fs::fcntl_lock(attempts, FlockOperation::Unlock).map_err(io::Error::from)?;
        Ok(())
    }

    fn generation(
        &mut self,
        lodged: &Lodged,
        connection: &Connection,
        known: &mut HashMap<String, Arc<Object>>,
    ) -> Result<Kept, Unfit> {
        let mut held = |name: &str| self.0.remove(name).ok_or(Unfit::Incomplete);
        let (index, plan, owners) = (held(&lodged.index())?, held(&lodged.plan())?, held(&lodged.owners())?);
        let mut objects = Vec::new();
        for (name, registered) in &lodged.objects {
            if !known.contains_key(name) {
                let object = Object::resume(held(name)?, *registered, &connection.device)?;
                known.insert(name.clone(), Arc::new(object));
            }
            objects.push(Arc::clone(&known[name]));
        }
        Ok(Kept { number: lodged.number, index, plan, owners, objects })
    }
}
