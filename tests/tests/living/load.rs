//! Many processes read a vault for long, while its state changes and servers die: no operation fails or is wrong,
//! and nothing grows.
//!
//! `ODBOX_LOAD_SECONDS=3600 ODBOX_LOAD_SECRETS=10000 ODBOX_LOAD_PROCESSES=200` is the long form.

use std::{
    env,
    fmt::Write,
    fs,
    io::Read,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use fixtures::{
    command, load, machine,
    mount::{MountPoint, wait_for},
};
use rustix::process::Pid;

use crate::stand::{NEEDS, Stand, in_time};

/// Operations in a second that all readers together are to do: a steady load, also where many share it.
const OPERATIONS: u32 = 2000;

/// How many times the vault changes, if the machine is fast enough.
const ROUNDS: u32 = 120;
/// How many of each half it takes to tell what grows.
const FEWEST_ROUNDS: usize = 12;
/// A change is not to take most of a round.
const SHORTEST_ROUND: Duration = Duration::from_millis(250);

/// What may come and go: memory in KiB, threads, what the monitor holds of a process that works for it, and
/// generations that somebody has open.
const SLACK_MEMORY: u64 = 1024;
const SLACK_COUNT: u64 = 2;
const SLACK_DESCRIPTORS: u64 = 4;
const SLACK_OPEN: u64 = 5;
/// What the server needs for each state that somebody had files open of at one time: on a busy machine readers are slow
/// and hold more of them, and what an allocator has got once it may keep.
const OPEN_KIB: u64 = 800;

fn number(variable: &str, default: u32) -> u32 {
    env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// A program that reads until it is told to end, or something is wrong.
struct Reader(Child);

impl Reader {
    fn start(stand: &Stand, secrets: u32, pause: u32, seed: u32) -> Self {
        let mut reader = std::process::Command::new(command::odbox("load-reader"));
        reader.arg(stand.place.path()).args([secrets, pause, seed].map(|number| number.to_string()));
        Self(reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a reader"))
    }

    /// Fails if it has ended, since it was not told to.
    fn is_content(&mut self) {
        if self.0.try_wait().expect("a child").is_some() {
            panic!("a reader says: {}", said(&mut self.0));
        }
    }

    /// How many operations it did, and how many milliseconds the slowest took.
    fn end(mut self) -> (u64, u64) {
        drop(self.0.stdin.take());
        let said = in_time("a reader", move || (self.0.wait().expect("a child"), said(&mut self.0)).1);
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [operations, slowest] = numbers[..] else { panic!("a reader says: {said}") };
        (operations, slowest)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // One that has ended hears nothing.
        let _ = self.0.kill();
    }
}

fn said(child: &mut Child) -> String {
    let mut text = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    text
}

/// What the two processes hold at one moment. Memory is in KiB.
#[derive(Debug, Clone, Copy)]
struct Sample {
    monitor_memory: u64,
    monitor_descriptors: u64,
    server: Pid,
    server_memory: u64,
    server_descriptors: u64,
    threads: u64,
    generations: u64,
    /// The most [`generations`](Self::generations) of this server's life so far.
    peak: u64,
    objects: u64,
}

type Figure = fn(&Sample) -> u64;

/// What of a [`Sample`] is looked at for the monitor, which lives for the whole test, and what may come and go.
const MONITOR: [(&str, Figure, u64); 5] = [
    ("monitor KiB", |sample| sample.monitor_memory, SLACK_MEMORY),
    ("monitor descriptors", |sample| sample.monitor_descriptors, SLACK_DESCRIPTORS),
    ("monitor threads", |sample| sample.threads, SLACK_COUNT),
    ("generations", |sample| sample.generations, SLACK_OPEN),
    ("objects", |sample| sample.objects, SLACK_OPEN),
];

/// The same for the last server: one that has just been born holds less than one that has worked.
const SERVER: [(&str, Figure, u64); 2] = [
    ("server KiB", |sample| sample.server_memory.saturating_sub(sample.peak * OPEN_KIB), SLACK_MEMORY),
    ("server descriptors", |sample| sample.server_descriptors, SLACK_COUNT),
];

impl Sample {
    fn take(stand: &Stand, before: Option<&Self>) -> Self {
        let server =
            stand.status()["server"]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        let (monitor, server) = (stand.monitor, server.expect("a server"));
        let held = descriptors(monitor);
        let count = |name: &str| held.iter().filter(|target| target.starts_with(name)).count() as u64;
        let generations = count("/memfd:index");
        let of_generations = generations + count("/memfd:plan") + count("/memfd:owners");
        Self {
            monitor_memory: status(monitor, "VmRSS:"),
            monitor_descriptors: held.len() as u64 - of_generations - count("/#"),
            server,
            server_memory: status(server, "VmRSS:"),
            server_descriptors: descriptors(server).len() as u64,
            threads: status(monitor, "Threads:"),
            generations,
            peak: before
                .filter(|before| before.server == server)
                .map_or(0, |before| before.peak)
                .max(generations),
            objects: stand.objects().len() as u64,
        }
    }
}

/// What the descriptors of a process are of.
fn descriptors(process: Pid) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).expect("descriptors");
    let targets = folder.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.map(|target| target.to_string_lossy().into_owned()).collect()
}

fn status(process: Pid, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).expect("status");
    let value = text.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    value.split_whitespace().next().and_then(|number| number.parse().ok()).expect(field)
}

/// A table of the least that was held in each quarter, and what of it grew from the third to the last: by then, all
/// that is filled once is full. What comes and goes with a reload is in no minimum; what is never given back is in all.
fn growth(samples: &[Sample]) -> (String, Vec<&'static str>) {
    let last = samples.last().expect("a sample").server;
    let of_last = samples.iter().position(|sample| sample.server == last).expect("its first");
    let (mut table, mut grown) = (String::new(), Vec::new());
    for (samples, figures) in [(samples, &MONITOR[..]), (&samples[of_last..], &SERVER)] {
        let quarters: Vec<&[Sample]> = samples.chunks(samples.len().div_ceil(4)).collect();
        for (name, figure, slack) in figures {
            let least: Vec<u64> =
                quarters.iter().filter_map(|quarter| quarter.iter().map(figure).min()).collect();
            let largest = samples.iter().map(figure).max().unwrap_or(0);
            let _ = writeln!(table, "{name:20} least {least:?}, largest {largest}");
            let [.., third, last] = least[..] else { panic!("{} samples tell nothing", samples.len()) };
            if last > third + third / 50 + slack {
                grown.push(*name);
            }
        }
    }
    (table, grown)
}

#[test]
fn nothing_fails_and_nothing_grows() {
    if machine::has(&NEEDS) {
        load("on");
    }
}

#[test]
fn nor_where_the_kernel_opens_files_alone() {
    if machine::has(&NEEDS) {
        load("off");
    }
}

fn load(record: &str) {
    let seconds = number("ODBOX_LOAD_SECONDS", 12);
    let (secrets, processes) = (number("ODBOX_LOAD_SECRETS", 200), number("ODBOX_LOAD_PROCESSES", 20));
    let duration = Duration::from_secs(seconds.into());
    let (vault, place) = (load::state(secrets, 0).build(), MountPoint::new());
    let settings = vault.beside("vaultd.toml");
    fs::write(&settings, format!("record = \"{record}\"\n")).expect("settings");
    place.mount(&vault).arg("--config").arg(&settings).succeeds();
    let stand = Stand::at(vault, place);
    let pause = processes * 1000 / OPERATIONS;
    let mut readers: Vec<Reader> =
        (1..=processes).map(|seed| Reader::start(&stand, secrets, pause, seed)).collect();

    let start = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    // In the second half servers live on, so that what they gather shows. On a slow machine a half is a little longer.
    let halves = [(duration / 2, FEWEST_ROUNDS), (duration, 2 * FEWEST_ROUNDS)];
    let mut kills = 0;
    for state in 1.. {
        let is_over = |(until, rounds)| start.elapsed() >= until && samples.len() >= rounds;
        if is_over(halves[1]) {
            break;
        }
        let end = Instant::now() + (duration / ROUNDS).max(SHORTEST_ROUND);
        stand.change(load::state(secrets, state));
        if !is_over(halves[0]) {
            stand.kill_server();
            kills += 1;
        }
        thread::sleep(end.saturating_duration_since(Instant::now()));
        samples.push(Sample::take(&stand, samples.last()));
        readers.iter_mut().for_each(Reader::is_content);
    }
    let ended: Vec<(u64, u64)> = readers.into_iter().map(Reader::end).collect();
    let (operations, slowest) = ended
        .iter()
        .fold((0, 0), |(all, most), (operations, slowest)| (all + operations, most.max(*slowest)));
    let (table, grown) = growth(&samples);
    println!(
        "{processes} processes, {secrets} secrets, {:?}: {operations} operations, none failed, the slowest \
         {slowest} ms; {} reloads, {kills} kills\n{table}",
        start.elapsed(),
        samples.len(),
    );
    assert!(grown.is_empty(), "{grown:?} grew:\n{table}");
    wait_for("the end of what is open to nobody", || Sample::take(&stand, None).generations == 1);
}

#[test]
fn growth_is_found_where_it_is_and_a_single_peak_is_none() {
    let flat = Sample {
        monitor_memory: 9000,
        monitor_descriptors: 20,
        server: Pid::INIT,
        server_memory: 20_000,
        server_descriptors: 9,
        threads: 8,
        generations: 1,
        peak: 1,
        objects: 3,
    };
    let samples = |change: fn(u64, &mut Sample)| -> Vec<Sample> {
        let sample = |round| {
            let mut sample = flat;
            change(round, &mut sample);
            sample
        };
        (0..40).map(sample).collect()
    };
    let peak = samples(|round, sample| sample.objects += if round == 35 { 500 } else { 0 });
    assert_eq!(growth(&peak).1, [""; 0]);
    let comes_and_goes =
        samples(|round, sample| sample.monitor_descriptors += if round % 3 == 0 { 0 } else { 7 });
    assert_eq!(growth(&comes_and_goes).1, [""; 0]);
    let one_each_round = samples(|round, sample| sample.monitor_descriptors += round);
    assert_eq!(growth(&one_each_round).1, ["monitor descriptors"]);
    let memory = samples(|round, sample| sample.server_memory += round * 200);
    assert_eq!(growth(&memory).1, ["server KiB"]);
    fn killed(sample: &mut Sample) {
        sample.server = Pid::from_raw(2).expect("a number");
    }
    let newborn = samples(|round, sample| match round {
        ..20 => killed(sample),
        20..23 => sample.server_memory = 4000,
        23.. => {}
    });
    assert_eq!(growth(&newborn).1, [""; 0]);
    let last_leaks = samples(|round, sample| match round {
        ..20 => killed(sample),
        20.. => sample.server_memory += round * 400,
    });
    assert_eq!(growth(&last_leaks).1, ["server KiB"]);
    let slow_readers = samples(|round, sample| {
        if round >= 25 {
            (sample.generations, sample.peak) = (if round == 25 { 9 } else { 2 }, 9);
            sample.server_memory += 8 * OPEN_KIB;
        }
    });
    assert_eq!(growth(&slow_readers).1, [""; 0]);
}
