//! Generations as the monitor keeps them: descriptors that outlive every server, never their bytes.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use crate::process::blob;
use crate::process::channel::Channel;
use crate::server::{Order, Parcel};
use crate::sys::mapping::Mapping;
use crate::sys::memory::{Locking, MemoryError};
use crate::sys::passthrough::Backing;
use crate::sys::store::{read_only, wipe};

/// How the kernel reads an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Registered {
    /// It was not asked to, and asks a server.
    No,
    /// It was asked to read it itself and refused.
    Refused,
    /// It reads it itself, and calls it that.
    As(u32),
}

/// A memory object; wiped when the last generation that needs it is gone.
#[derive(Debug)]
pub struct Object {
    writer: File,
    reader: OwnedFd,
    backing: Mutex<Option<Backing>>,
    name: String,
    /// What keeps it out of swap, where the store does not.
    resident: Option<Mapping>,
}

impl Object {
    /// Takes over an object from the decryptor, which has ended.
    ///
    /// # Errors
    /// It cannot be opened for reading.
    pub fn take_over(writer: OwnedFd) -> io::Result<Self> {
        let writer = File::from(writer);
        let reader = read_only(&writer)?;
        let stat = rustix::fs::fstat(&writer)?;
        let name = format!("{}{:x}-{:x}", Self::PREFIX, stat.st_dev, stat.st_ino);
        Ok(Self { writer, reader, backing: Mutex::default(), name, resident: None })
    }

    /// What the names of all objects begin with.
    pub const PREFIX: &str = "object-";

    /// Takes over an object from an earlier monitor, which had it `registered` on the connection of `device`.
    ///
    /// # Errors
    /// As [`Object::take_over`].
    pub fn resume(writer: OwnedFd, registered: Registered, device: &Arc<OwnedFd>) -> io::Result<Self> {
        let backing = match registered {
            Registered::No => None,
            Registered::Refused => Some(Backing::resume(device, None)),
            Registered::As(number) => Some(Backing::resume(device, Some(number))),
        };
        let mut object = Self::take_over(writer)?;
        object.backing = Mutex::new(backing);
        Ok(object)
    }

    /// A name that no other object has while this one is there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to write with.
    #[must_use]
    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// How the kernel reads it.
    #[must_use]
    pub fn registered(&self) -> Registered {
        let backing = self.backing.lock().unwrap_or_else(PoisonError::into_inner);
        match backing.as_ref().map(Backing::number) {
            None => Registered::No,
            Some(None) => Registered::Refused,
            Some(Some(number)) => Registered::As(number),
        }
    }

    /// Keeps it out of swap from now on. To be done before its creator ends, who has done so until then.
    ///
    /// # Errors
    /// [`MemoryError::Lock`] when it cannot be locked and `locking` requires it.
    pub fn locked(mut self, locking: Locking) -> Result<Self, MemoryError> {
        let mapping = Mapping::whole(&self.reader)?;
        mapping.lock(locking)?;
        self.resident = Some(mapping);
        Ok(self)
    }

    fn backing(&self) -> Option<u32> {
        match self.registered() {
            Registered::As(number) => Some(number),
            Registered::No | Registered::Refused => None,
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let backing = self.backing.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // It cannot fail on memory that is there; and if it did, the memory would go unwiped with the object.
        let _ = wipe(&self.writer);
        if backing.is_some_and(|backing| backing.number().is_some()) {
            // The kernel reads on for who has it open: they are to meet the end of the file, not zeros.
            let _ = self.writer.set_len(0);
        }
    }
}

/// A generation.
#[derive(Debug)]
pub struct Kept {
    /// Its number, from 1.
    pub number: u64,
    /// What its index was written to.
    pub index: OwnedFd,
    /// What its plan was written to, by which the next state is verified.
    pub plan: OwnedFd,
    /// What was written down of its owners: whom the names mean that its files are to belong to.
    pub owners: OwnedFd,
    /// The objects that the index speaks of. The first is shared by small files.
    pub objects: Vec<Arc<Object>>,
}

impl Kept {
    /// A second hold on it.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn duplicate(&self) -> io::Result<Self> {
        let (index, plan) = (self.index.try_clone()?, self.plan.try_clone()?);
        let (owners, objects) = (self.owners.try_clone()?, self.objects.clone());
        Ok(Self { number: self.number, index, plan, owners, objects })
    }

    /// Has the kernel read all objects but the shared one itself, on the connection of `device`. What it
    /// refuses is read from the server.
    pub fn register(&self, device: &Arc<OwnedFd>) {
        for object in self.objects.iter().skip(1) {
            let mut backing = object.backing.lock().unwrap_or_else(PoisonError::into_inner);
            if backing.as_ref().is_none_or(|backing| !backing.is_of(device)) {
                *backing = Some(Backing::register(device, &object.reader));
            }
        }
    }

    /// Whether the kernel refused to read an object itself.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.objects.iter().any(|object| object.registered() == Registered::Refused)
    }

    /// What a server is told of it, and the descriptors that belong to that.
    #[must_use]
    pub fn parcel(&self) -> (Parcel, Vec<BorrowedFd<'_>>) {
        let mut bundle = Bundle::default();
        let parcel = bundle.add(self);
        (parcel, bundle.descriptors())
    }

    /// Its index, and then its objects.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.index.as_fd()).chain(self.objects.iter().map(|object| object.reader.as_fd()))
    }
}

/// Generations on their way to a server, with what they share only once.
#[derive(Debug, Default)]
struct Bundle<'a> {
    indexes: Vec<BorrowedFd<'a>>,
    objects: Vec<BorrowedFd<'a>>,
    /// Where among the objects each is.
    places: HashMap<*const Object, usize>,
}

impl<'a> Bundle<'a> {
    fn add(&mut self, kept: &'a Kept) -> Parcel {
        self.indexes.push(kept.index.as_fd());
        let objects = kept.objects.iter().map(|object| {
            *self.places.entry(Arc::as_ptr(object)).or_insert_with(|| {
                self.objects.push(object.reader.as_fd());
                self.objects.len() - 1
            })
        });
        let objects = objects.collect();
        let backings = kept.objects.iter().map(|object| object.backing()).collect();
        Parcel { number: kept.number, objects, backings }
    }

    fn descriptors(self) -> Vec<BorrowedFd<'a>> {
        self.indexes.into_iter().chain(self.objects).collect()
    }
}

/// Most descriptors of generations that are kept: less than a message carries.
const MOST_HELD: u64 = 30_000;

/// Whether there is room for one more generation beside these: a server must be able to take all of them.
#[must_use]
pub fn has_room(generations: &[Kept]) -> bool {
    // The monitor has each object twice, and a new one three times while it is filled.
    let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 4;
    let objects = generations.iter().flat_map(|kept| &kept.objects).map(Arc::as_ptr);
    let held = generations.len() + objects.collect::<HashSet<_>>().len();
    (held as u64) < limit.min(MOST_HELD)
}

/// Gives a server generations, from the oldest to the current one, to serve them as `order` says with what is `held`
/// for it.
///
/// # Errors
/// It is not there any more, or does not listen.
pub fn send(
    channel: &Channel,
    held: &[BorrowedFd<'_>],
    generations: &[Kept],
    order: &Order,
) -> io::Result<()> {
    let mut bundle = Bundle::default();
    let parcels: Vec<Parcel> = generations.iter().map(|kept| bundle.add(kept)).collect();
    let parcels = blob::write("parcels", &parcels)?;
    let mut descriptors = held.to_vec();
    descriptors.push(parcels.as_fd());
    descriptors.extend(bundle.descriptors());
    channel.send(order, &descriptors)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::OwnedFd;

    use fixtures::machine::{Need, has};

    use super::Object;
    use crate::sys::mapping::MappingMut;
    use crate::sys::memory::Locking;
    use crate::sys::store::Store;

    /// Memory objects of this size that this process keeps in memory.
    fn locked(size: usize) -> usize {
        let maps = fs::read_to_string("/proc/self/smaps").expect("smaps");
        let of_objects = maps.split("VmFlags:").filter(|map| map.contains("/memfd:vaultd"));
        let has = |map: &str, field: &str| {
            let value = map.lines().find_map(|line| line.strip_prefix(field)).expect(field);
            value.trim() == format!("{} kB", size / 1024)
        };
        of_objects.filter(|map| has(map, "Size:") && has(map, "Locked:")).count()
    }

    #[test]
    fn stays_out_of_swap_when_its_creator_is_gone() {
        const SIZE: usize = 7 * 4096;
        if !has(&[Need::Root]) {
            return;
        }
        let object = Store::locked(Locking::Required).create().expect("an object");
        drop(MappingMut::of(&object, SIZE).expect("a mapping"));
        assert_eq!(locked(SIZE), 0);
        let taken = Object::take_over(OwnedFd::from(object)).expect("an object");
        let kept = taken.locked(Locking::Required).expect("a lock");
        assert_eq!(locked(SIZE), 1);
        drop(kept);
        assert_eq!(locked(SIZE), 0);
    }
}
