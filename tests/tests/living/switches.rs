//! Reloads back to back: an open that meets one of them, or two, still works.
//!
//! `ODBOX_RELOADS=300` reloads more often.

use std::{
    env,
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use fixtures::{
    machine::{self, Need::Program},
    mount::wait_for,
    vault::{Vault, VaultBuilder},
};
use rustix::fs::{Dir, Mode, OFlags};

use crate::slowed::Slowed;
use crate::stand::{NEEDS, Stand, pattern};

/// A file that each state changes.
fn state(number: u32) -> VaultBuilder {
    Vault::with("secret", [number.to_le_bytes().to_vec(), pattern(number, 3000)].concat())
}

/// Reads the file as it is now, and tells of which state it is.
fn read(path: &Path) -> Result<u32, String> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    let number = bytes.first_chunk().map(|number| u32::from_le_bytes(*number)).ok_or("nothing")?;
    if bytes[4..] == pattern(number, 3000) { Ok(number) } else { Err("other bytes".to_owned()) }
}

/// Reads without a pause while the vault changes again and again, and fails if anybody cannot open the file, or sees
/// an older state after a newer one.
fn reload_under_readers(stand: &Stand, readers: u32, reloads: u32) {
    let path = stand.place.join("secret");
    let (stop, opens, problems) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| {
                let mut last = 0;
                while !stop.load(Relaxed) {
                    match read(&path) {
                        Ok(number) if number >= last => last = number,
                        seen => problems.lock().expect("a list").push(format!("{seen:?} after {last}")),
                    }
                    opens.fetch_add(1, Relaxed);
                }
            });
        }
        for number in 1..=reloads {
            stand.change(state(number));
            assert_eq!(read(&path), Ok(number), "a reload that is done holds for everybody");
        }
        stop.store(true, Relaxed);
    });
    let problems = problems.into_inner().expect("a list");
    println!("{reloads} reloads, {opens:?} opens, {} failed", problems.len());
    assert!(
        problems.is_empty(),
        "{} of {opens:?}: {:?}",
        problems.len(),
        &problems[..problems.len().min(10)]
    );
}

#[test]
fn back_to_back_fail_nobody_and_take_nobody_back() {
    if !machine::has(&NEEDS) {
        return;
    }
    let reloads = env::var("ODBOX_RELOADS").ok().and_then(|reloads| reloads.parse().ok()).unwrap_or(20);
    reload_under_readers(&Stand::of(state(0)), 8, reloads);
}

/// Between a look-up and the open that follows it there is time for a switch then, and another one.
#[test]
fn an_open_that_takes_long_meets_no_two() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("strace")]) {
        return;
    }
    let stand = Stand::of(state(0));
    let _slowed = Slowed::server_of(&stand, "read:delay_exit=150000");
    // Few, so that nobody waits for long.
    reload_under_readers(&stand, 4, 15);
}

/// Enough that the kernel asks for them in several parts.
const NAMES: u32 = 500;

#[test]
fn a_listing_is_of_one_state() {
    if !machine::has(&NEEDS) {
        return;
    }
    let names = |numbers: Vec<u32>| {
        let start = Vault::with("other", "o");
        numbers.iter().fold(start, |vault, number| vault.and(&format!("folder/{number:03}"), "s"))
    };
    let stand = Stand::of(names((100..NAMES).collect()));
    let folder =
        rustix::fs::open(stand.place.join("folder"), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    let mut listing = Dir::read_from(folder.expect("a folder")).expect("a listing");
    let name = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut seen: Vec<String> = listing.by_ref().take(3).map(name).collect();
    let first = stand.objects();
    // What was listed first is gone, something is before it, and half of the rest is not there any more.
    let killed = stand.server();
    stand.change(names((0..50).chain((103..NAMES).filter(|number| number % 2 == 1)).collect()));
    assert!(stand.objects().is_superset(&first), "it is kept for the listing");
    stand.kill_server();
    assert_ne!(stand.server(), killed);
    seen.extend(listing.by_ref().map(name));
    let all = |numbers: Vec<u32>| -> Vec<String> {
        let names = numbers.iter().map(|number| format!("{number:03}"));
        [".".to_owned(), "..".to_owned()].into_iter().chain(names).collect()
    };
    assert_eq!(seen, all((100..NAMES).collect()), "as it was when it began");
    listing.rewind();
    let mut now: Vec<String> = listing.map(name).collect();
    now.sort();
    assert_eq!(now, all((0..50).chain((103..NAMES).filter(|number| number % 2 == 1)).collect()));
    assert!(!stand.place.join("folder/104").exists(), "what was listed of the past is not remembered");
    wait_for("the end of the generation", || stand.objects().is_disjoint(&first));
}
