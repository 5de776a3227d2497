//! Generations as the monitor keeps them: descriptors that outlive every server, never their bytes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::Parcel;
use crate::sys::passthrough::Backing;
use crate::sys::store::{read_only, wipe};

/// A memory object; wiped when the last generation that needs it is gone.
#[derive(Debug)]
pub struct Object {
    writer: File,
    reader: OwnedFd,
    backing: Mutex<Option<Backing>>,
}

impl Object {
    /// Takes over an object from the decryptor, which has ended.
    ///
    /// # Errors
    /// It cannot be opened for reading.
    pub fn take_over(writer: OwnedFd) -> io::Result<Self> {
        let writer = File::from(writer);
        let reader = read_only(&writer)?;
        Ok(Self { writer, reader, backing: Mutex::default() })
    }

    fn backing(&self) -> Option<u32> {
        self.backing.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.number()
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
    /// The objects that the index speaks of. The first is shared by small files.
    pub objects: Vec<Arc<Object>>,
}

impl Kept {
    /// A second hold on it.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn duplicate(&self) -> io::Result<Self> {
        Ok(Self { number: self.number, index: self.index.try_clone()?, objects: self.objects.clone() })
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

    /// What a server is told of it.
    #[must_use]
    pub fn parcel(&self) -> Parcel {
        let backings = self.objects.iter().map(|object| object.backing());
        Parcel { number: self.number, backings: backings.collect() }
    }

    /// The descriptors that belong to a parcel.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.index.as_fd()).chain(self.objects.iter().map(|object| object.reader.as_fd()))
    }
}
