//! Reloads back to back: an open that meets one of them, or two, still works.
//!
//! `ODBOX_RELOADS=300` reloads more often.

use std::{
    env,
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
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

/// strace(1) on a server, which has each request that it reads wait before it is answered.
struct Slowed(Child);

impl Slowed {
    fn server_of(stand: &Stand) -> Self {
        let server = stand.server().expect("a server").as_raw_nonzero().to_string();
        let mut strace = Command::new(machine::program("strace").expect("strace"));
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=read", "-P", "/dev/fuse"]);
        strace.args(["-e", "inject=read:delay_exit=150000", "-p", &server]);
        let slowed = Self(strace.stdin(Stdio::null()).spawn().expect("strace"));
        let is_traced = |task: &fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            !status.contains("\nTracerPid:\t0\n")
        };
        let tasks = format!("/proc/{server}/task");
        wait_for("strace", || {
            fs::read_dir(&tasks).is_ok_and(|mut tasks| tasks.all(|task| is_traced(&task.expect("a thread"))))
        });
        slowed
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        // It ends with the server, or has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Between a look-up and the open that follows it there is time for a switch then, and another one.
#[test]
fn an_open_that_takes_long_meets_no_two() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("strace")]) {
        return;
    }
    let stand = Stand::of(state(0));
    let _slowed = Slowed::server_of(&stand);
    // Few, so that nobody waits for long.
    reload_under_readers(&stand, 4, 15);
}

/// Enough that the kernel asks for them in several parts.
const NAMES: u32 = 500;

#[test]
fn a_listing_goes_on_where_it_was() {
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
    // What was listed first is gone, something is before it, and half of the rest is not there any more.
    stand.change(names((0..50).chain((103..NAMES).filter(|number| number % 2 == 1)).collect()));
    seen.extend(listing.map(name));
    for number in (103..NAMES).filter(|number| number % 2 == 1) {
        let count = seen.iter().filter(|name| **name == format!("{number:03}")).count();
        assert_eq!(count, 1, "{number} was there all the time");
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "nothing is listed twice");
}
