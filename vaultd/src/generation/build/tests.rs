//! What becomes of the objects that are filled in.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use vault_format::Digest;

use super::{BuildError, Facts, Object, PASSED_THROUGH, Wanted, build};
use crate::sys::memory::Locking;
use crate::sys::store::{Kind, Store};

/// Sizes that no other object of this process has: of a small file, of a large one, and of one that fails.
const SIZES: [usize; 3] = [12_347, PASSED_THROUGH + 12_347, PASSED_THROUGH + 12_349];

fn wanted(sizes: &[usize]) -> Vec<Wanted> {
    let file = |size: &usize| Wanted {
        path: size.to_string(),
        facts: Facts { owner: 0, group: 0, mode: 0o400, modified: SystemTime::UNIX_EPOCH },
        services: Arc::default(),
        digest: Digest::of(size.to_string().as_bytes()),
        size: *size,
    };
    sizes.iter().map(file).collect()
}

/// Another descriptor of each object of this process with one of [`SIZES`].
fn objects() -> Vec<File> {
    let all = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let is_object = |to: PathBuf| to.to_string_lossy().starts_with("/memfd:vaultd");
    let all = all.filter(|entry| fs::read_link(entry.path()).is_ok_and(is_object));
    let all = all.filter_map(|entry| File::open(entry.path()).ok());
    all.filter(|file| SIZES.map(|size| size as u64).contains(&file.metadata().expect("stat").size()))
        .collect()
}

#[test]
fn what_nobody_gets_is_wiped() {
    let store = Store::locked(Locking::AllowSwappable);
    let seen = Mutex::new(Vec::new());
    let outcome = build(&store, &wanted(&SIZES), None, |place, part| {
        part.fill(7);
        if place < 2 {
            return Ok(());
        }
        *seen.lock().expect("no panic") = objects();
        Err("no")
    });
    assert!(matches!(outcome, Err(BuildError::Fill(failed)) if failed == [(2, "no")]));
    let seen = seen.into_inner().expect("no panic");
    assert_eq!(seen.len(), SIZES.len());
    for object in seen {
        let mut left = vec![1; SIZES[0]];
        object.read_exact_at(&mut left, 0).expect("read");
        assert!(left.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn is_held_until_somebody_else_does_where_the_store_does_not() {
    let store = Store::locked(Locking::Required);
    assert_eq!(store.kind(), Kind::Locked);
    let built = build(&store, &wanted(&[5, PASSED_THROUGH]), None, |_, part| {
        part.fill(7);
        Ok::<_, ()>(())
    });
    let built = built.expect("a generation");
    assert!(built.objects.iter().all(|object| matches!(object, Object::New(_))));
    assert_eq!(built.held.len(), built.objects.len());
}
