//! Several generations at once.

use std::fs;

use rustix::process::{Resource, getrlimit};
use vaultd::generation::PASSED_THROUGH;
use vaultd::monitor::kept::{Kept, has_room};
use vaultd::sys::process::raise_descriptor_limit;

use crate::stand::{File, Stand, build, file, kept, possible};

/// As many large files as a generation gives objects of their own.
const LARGE: usize = 450;

fn files() -> Vec<File> {
    // Alike but for their first bytes, since the same bytes would lie in one object.
    let bytes = |number: usize| [&number.to_le_bytes()[..], &vec![7; PASSED_THROUGH]].concat();
    let name = |number: usize| -> &'static str { format!("large-{number}").leak() };
    (0..LARGE).map(|number| file(name(number), 0o444, bytes(number))).collect()
}

#[test]
fn many_with_many_objects_are_handed_over() {
    if !possible() {
        return;
    }
    raise_descriptor_limit();
    let first = kept(build(&files()));
    let numbered = |number| Kept { number, ..first.duplicate().expect("a duplicate") };
    // More than a message could name, and than a process may map each by itself.
    let many: Vec<Kept> = (1..=160).map(numbered).collect();
    assert!(has_room(&many), "they share what they have");
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(30_000);
    if limit < 30_000 {
        // Each has an index at least.
        let too_many: Vec<Kept> = (1..=limit / 4).map(numbered).collect();
        assert!(!has_room(&too_many), "no server could take them");
    }
    let stand = Stand::showing(many);
    for number in [0, LARGE - 1] {
        let bytes = fs::read(stand.path(&format!("large-{number}"))).expect("a read");
        assert!(bytes[..8] == number.to_le_bytes() && bytes.len() == PASSED_THROUGH + 8);
    }
    stand.end();
}

#[test]
fn an_object_is_registered_once() {
    let Some(stand) = Stand::serving(&[file("large", 0o444, vec![7; PASSED_THROUGH])]) else {
        return;
    };
    let numbers = stand.register();
    // As each reload does that keeps it. The kernel would open the file under one number only.
    assert_eq!(stand.register(), numbers);
    let held = fs::File::open(stand.path("large")).expect("open");
    assert_eq!(stand.register(), numbers);
    assert!(fs::read(stand.path("large")).expect("a read") == vec![7; PASSED_THROUGH]);
    drop(held);
    stand.end();
}
