//! What becomes of the objects of each kind of store.

use super::{Kind, Store, read_only, wipe};
use crate::sys::mapping::{Mapping, MappingMut};
use crate::sys::memory::Locking;
use fixtures::caller::Caller;
use fixtures::machine::{Need, has};
use rustix::process::Uid;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

/// One of each kind that this machine has.
fn stores_of(owner: u32) -> Vec<Store> {
    if !has(&[Need::Root]) {
        return Vec::new();
    }
    let store = Store::open(Locking::AllowSwappable, Uid::from_raw(owner)).expect("a store");
    let first = (store.kind() == Kind::NoSwap).then_some(store);
    first.into_iter().chain([Store::locked(Locking::AllowSwappable)]).collect()
}

fn stores() -> Vec<Store> {
    stores_of(0)
}

fn filled(store: &Store, bytes: &[u8]) -> File {
    let object = store.create().expect("an object");
    MappingMut::of(&object, bytes.len()).expect("a mapping").bytes_mut().copy_from_slice(bytes);
    object
}

#[test]
fn holds_what_was_filled_in() {
    for store in stores() {
        for bytes in [b"bytes".as_slice(), b""] {
            let object = filled(&store, bytes);
            let reader = read_only(&object).expect("a reader");
            assert_eq!(Mapping::of(&reader, bytes.len()).expect("a mapping").bytes(), bytes);
        }
    }
}

/// Also where the kernel puts it into huge pages.
#[test]
fn takes_no_more_memory_than_its_bytes() {
    const PAGE: usize = 4096;
    for store in stores() {
        for size in [5, PAGE, (2 << 20) - 1, (4 << 20) + 5] {
            let object = filled(&store, &vec![b'x'; size]);
            let taken = || object.metadata().expect("stat").blocks() * 512;
            assert_eq!(taken(), size.next_multiple_of(PAGE) as u64, "{:?}", store.kind());
            wipe(&object).expect("wiped");
            assert_eq!(taken(), 0, "{:?}", store.kind());
        }
    }
}

#[test]
fn who_can_read_cannot_write() {
    let (creator, other) = (Caller::user(50_001), Caller::user(50_002));
    for store in stores_of(50_001) {
        let object = creator.run(|| filled(&store, b"bytes"));
        let path = format!("/proc/self/fd/{}", object.as_raw_fd());
        let opens = |who: &Caller, options: &OpenOptions| who.run(|| options.open(&path).is_ok());
        let (mut read, mut write) = (OpenOptions::new(), OpenOptions::new());
        read.read(true);
        write.write(true);
        assert!(opens(&creator, &read) && opens(&creator, &write), "{:?}", store.kind());
        assert!(opens(&other, &read) && !opens(&other, &write), "{:?}", store.kind());

        let reader = read_only(&object).expect("a reader");
        let reader = File::from(reader);
        assert!(reader.write_at(b"x", 0).is_err() && MappingMut::of(&reader, 5).is_err());
    }
}

#[test]
fn only_its_owner_can_create() {
    for store in stores_of(50_001).into_iter().filter(|store| store.kind() == Kind::NoSwap) {
        assert!(Caller::user(50_001).run(|| store.create().is_ok()));
        assert!(Caller::user(50_002).run(|| store.create().is_err()));
    }
}

#[test]
fn is_not_shorter_than_what_is_mapped() {
    for store in stores() {
        let object = filled(&store, b"bytes");
        let reader = read_only(&object).expect("a reader");
        assert!(Mapping::of(&reader, 6).is_err());
        if store.kind() == Kind::Locked {
            assert!(object.set_len(0).is_err());
            assert!(object.set_len(10).is_err());
        }
    }
}

#[test]
fn is_zero_after_a_wipe_for_every_holder() {
    for store in stores() {
        let object = filled(&store, &[7; 200_000]);
        let reader = read_only(&object).expect("a reader");
        let mapping = Mapping::of(&reader, 200_000).expect("a mapping");
        wipe(&object).expect("a wipe");

        assert!(mapping.bytes().iter().all(|byte| *byte == 0), "{:?}", store.kind());
        let mut left = Vec::new();
        File::from(reader).read_to_end(&mut left).expect("read");
        assert_eq!(left, [0; 200_000]);
    }
}

#[test]
fn a_wipe_gives_the_memory_back() {
    use std::os::unix::fs::MetadataExt;
    for store in stores() {
        let object = filled(&store, &[7; 200_000]);
        assert!(object.metadata().expect("stat").blocks() > 0);
        wipe(&object).expect("a wipe");
        assert_eq!(object.metadata().expect("stat").blocks(), 0, "{:?}", store.kind());
    }
}
