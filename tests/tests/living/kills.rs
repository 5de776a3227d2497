//! A server that is killed at random moments under load: nobody sees an error or a wrong byte.
//!
//! `ODBOX_KILLS=1000` kills more often, which takes longer.

use std::{
    collections::BTreeSet,
    env,
    fmt::Debug,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use fixtures::{
    machine,
    mount::whole,
    vault::{Vault, VaultBuilder},
};
use rustix::{
    mount::UnmountFlags,
    process::{Signal, kill_process},
};

use crate::stand::{DEADLINE, LARGE, NEEDS, Stand, pattern, server_of};

const READERS: u32 = 8;
/// Files that every state has, with other bytes in each; every fourth is a large one.
const FILES: u32 = 12;

/// How many servers die before the vault changes again.
const KILLS_PER_STATE: u32 = 10;

fn name(file: u32) -> String {
    format!("folder/{file}")
}

/// A file in a state with an even number, or an odd one.
fn bytes(file: u32, state: u32) -> Vec<u8> {
    let size = if file % 4 == 0 { LARGE } else { 3000 };
    pattern(file * 2 + state % 2, size + (file + state % 2) as usize)
}

fn state(number: u32) -> VaultBuilder {
    let only = ["only-even", "only-odd"][(number % 2) as usize];
    let start = Vault::with("number", number.to_string()).and(&format!("folder/{only}"), only);
    (0..FILES).fold(start, |vault, file| vault.and(&name(file), bytes(file, number)))
}

/// What the readers saw.
#[derive(Default)]
struct Log {
    operations: AtomicU64,
    problems: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Log {
    fn problem(&self, what: impl Debug) {
        self.problems.lock().expect("a list").push(format!("{what:?}"));
    }

    fn problems(&self) -> Vec<String> {
        self.problems.lock().expect("a list").clone()
    }
}

/// One reader: what it knows, and when it last came back from the kernel.
struct Reader<'a> {
    root: &'a Path,
    random: Random,
    known: Vec<[Vec<u8>; 2]>,
    held: Vec<(File, Vec<u8>)>,
    log: &'a Log,
    alive: &'a Mutex<Instant>,
}

/// Xorshift, never of zero: what matters is that moments and choices differ.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }
}

impl Reader<'_> {
    fn run(&mut self) {
        while !self.log.stop.load(Relaxed) {
            let file = self.random.below(FILES);
            let outcome = match self.random.below(5) {
                0 => self.stat(file),
                1 => self.list(),
                2 => self.hold(file),
                3 => self.look_again(),
                _ => self.open(file).map(drop),
            };
            if let Err(error) = outcome {
                self.log.problem((file, error));
            }
            self.log.operations.fetch_add(1, Relaxed);
            *self.alive.lock().expect("a time") = Instant::now();
        }
    }

    fn path(&self, file: u32) -> PathBuf {
        self.root.join(name(file))
    }

    fn open(&mut self, file: u32) -> io::Result<(File, Vec<u8>)> {
        let open = File::open(self.path(file))?;
        let seen = whole(&open)?;
        if !self.known[file as usize].contains(&seen) {
            self.log.problem((file, "other bytes", seen.len()));
        }
        Ok((open, seen))
    }

    fn stat(&mut self, file: u32) -> io::Result<()> {
        let size = fs::metadata(self.path(file))?.len();
        if !self.known[file as usize].iter().any(|bytes| bytes.len() as u64 == size) {
            self.log.problem((file, "another size", size));
        }
        Ok(())
    }

    fn list(&mut self) -> io::Result<()> {
        let entries = fs::read_dir(self.root.join("folder"))?.collect::<io::Result<Vec<_>>>()?;
        let names: BTreeSet<_> = entries.iter().map(fs::DirEntry::file_name).collect();
        let only =
            ["only-even", "only-odd"].iter().filter(|name| names.contains(name.as_ref() as &std::ffi::OsStr));
        if (only.count(), names.len()) != (1, FILES as usize + 1) {
            self.log.problem(("another listing", names));
        }
        Ok(())
    }

    fn hold(&mut self, file: u32) -> io::Result<()> {
        if self.held.len() > 20 {
            let one = self.random.below(20) as usize;
            self.held.swap_remove(one);
        }
        let held = self.open(file)?;
        self.held.push(held);
        Ok(())
    }

    fn look_again(&mut self) -> io::Result<()> {
        let at = self.random.below(21) as usize;
        if let Some((file, bytes)) = self.held.get(at) {
            if whole(file)? != *bytes {
                self.log.problem("an open file changed");
            }
        }
        Ok(())
    }
}

#[test]
fn nobody_notices_that_a_server_is_killed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let kills: u32 = env::var("ODBOX_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(60);
    let stand = Stand::of(state(0));
    let (root, log, start) = (stand.place.path(), Log::default(), Instant::now());
    let alive: Vec<_> = (0..READERS).map(|_| Mutex::new(Instant::now())).collect();
    let mut reloads = 0;
    thread::scope(|scope| {
        for (number, alive) in (1..).zip(&alive) {
            let known = (0..FILES).map(|file| [bytes(file, 0), bytes(file, 1)]).collect();
            let mut reader =
                Reader { root: &root, random: Random(number), known, held: Vec::new(), log: &log, alive };
            scope.spawn(move || reader.run());
        }
        scope.spawn(|| watch(&alive, &log, &root));
        reloads = kill(&stand, kills, &log);
        log.stop.store(true, Relaxed);
    });
    let operations = log.operations.load(Relaxed);
    println!("{kills} kills, {reloads} reloads, {operations} operations in {:?}", start.elapsed());
    let problems = log.problems();
    assert!(
        problems.is_empty(),
        "{} of {operations}: {:?}",
        problems.len(),
        &problems[..problems.len().min(10)]
    );
    assert!(operations > u64::from(kills) && reloads > 1);
}

/// Kills a server, and another one, at any moment, also before it serves. Returns how often the vault was loaded
/// anew meanwhile.
fn kill(stand: &Stand, kills: u32, log: &Log) -> u32 {
    let (mut last, mut random) = (None, Random(1 + std::process::id()));
    let (killed, loaded) = (AtomicU32::new(0), AtomicU32::new(0));
    let is_on = || killed.load(Relaxed) < kills && !log.stop.load(Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A busy machine may be slow to load and fast to kill.
            while is_on() || (loaded.load(Relaxed) < 2 && !log.stop.load(Relaxed)) {
                let number = loaded.load(Relaxed) + 1;
                reload(stand, number, log);
                loaded.store(number, Relaxed);
                // An open is tried twice: it is not to meet two of them.
                let next = killed.load(Relaxed) + KILLS_PER_STATE;
                while killed.load(Relaxed) < next.min(kills) && !log.stop.load(Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        while is_on() {
            thread::sleep(Duration::from_micros(random.below(60_000).into()));
            let Some(server) = server_of(stand.monitor).filter(|server| Some(*server) != last) else {
                continue;
            };
            if kill_process(server, Signal::KILL).is_ok() {
                killed.fetch_add(1, Relaxed);
                last = Some(server);
            }
        }
    });
    loaded.into_inner()
}

fn reload(stand: &Stand, number: u32, log: &Log) {
    state(number).build_upon(&stand.vault);
    let reloaded = stand.reload().run();
    if reloaded.status != Some(0) {
        log.problem(("a reload", reloaded.to_string()));
    }
    match fs::read_to_string(stand.place.join("number")) {
        Ok(seen) if seen == number.to_string() => {}
        seen => log.problem(("after reload", number, seen)),
    }
}

/// Sees to it that nobody hangs for ever.
fn watch(alive: &[Mutex<Instant>], log: &Log, root: &Path) {
    while !log.stop.load(Relaxed) {
        thread::sleep(Duration::from_millis(100));
        if alive.iter().any(|alive| alive.lock().expect("a time").elapsed() > DEADLINE) {
            log.problem("somebody hangs");
            log.stop.store(true, Relaxed);
            // Frees him.
            let _ = rustix::mount::unmount(root, UnmountFlags::FORCE | UnmountFlags::DETACH);
        }
    }
}
