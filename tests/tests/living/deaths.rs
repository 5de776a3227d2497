//! What outlives a server, and how everything ends when it is dead.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use fixtures::{
    machine,
    mount::wait_for,
    vault::{Vault, VaultBuilder},
};
use rustix::mount::UnmountFlags;
use rustix::process::{Signal, kill_process};

use crate::stand::{LARGE, NEEDS, Stand, in_time, kill_all_servers, pattern};

fn state(number: u32) -> VaultBuilder {
    Vault::with("small", pattern(number, 5000)).and("large", pattern(number, LARGE))
}

fn assert_still(file: &File, number: u32) {
    let size = file.metadata().expect("stat").len();
    let mut bytes = vec![0; usize::try_from(size).expect("a size")];
    file.read_exact_at(&mut bytes, 0).expect("a read");
    assert!(bytes == pattern(number, bytes.len()));
}

#[test]
fn several_die_before_they_serve() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let before = stand.read("small");
    let (monitor, deaths) = (stand.monitor, AtomicUsize::new(0));
    kill_all_servers(monitor, || deaths.fetch_add(1, Relaxed) > 2000);
    let path = stand.place.join("small");
    assert!(in_time("a read", move || fs::read(path)).expect("a read") == before);
}

#[test]
fn one_that_stopped_and_was_killed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let server = stand.server().expect("a server");
    kill_process(server, Signal::STOP).expect("a stop");
    let path = stand.place.join("small");
    let reader = thread::spawn(move || in_time("a read", move || fs::read(path)));
    // The reader waits in the kernel now, or will.
    kill_process(server, Signal::KILL).expect("a kill");
    assert!(reader.join().expect("no panic").expect("a read") == pattern(1, 5000));
}

#[test]
fn open_files_are_known_to_the_next_but_one() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let first = stand.objects();
    let open = ["small", "large"].map(|name| File::open(stand.place.join(name)).expect(name));
    stand.change(state(2));
    for _ in 0..2 {
        stand.kill_server();
        open.iter().for_each(|file| assert_still(file, 1));
        assert!(stand.objects().is_superset(&first), "nothing of what is open is gone");
    }
    let [small, large] = open;
    drop(small);
    assert_still(&large, 1);
    drop(large);
    wait_for("the end of the first generation", || stand.objects().is_disjoint(&first));
    assert_eq!(stand.objects().len(), first.len());
}

#[test]
fn a_release_is_not_lost_and_may_come_twice() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    for number in 2..8 {
        let first = stand.objects();
        let open = ["small", "large"].map(|name| File::open(stand.place.join(name)).expect(name));
        let kept = File::open(stand.place.join("small")).expect("small");
        stand.change(state(number));
        let server = stand.server().expect("a server");
        // Half of them are read by a server that never answers, the others by nobody.
        if number % 2 == 0 {
            kill_process(server, Signal::STOP).expect("a stop");
        }
        drop(open);
        kill_process(server, Signal::KILL).expect("a kill");
        assert_still(&kept, number - 1);
        assert!(!stand.objects().is_disjoint(&first), "one is open still");
        drop(kept);
        wait_for("the end of the generation before", || stand.objects().is_disjoint(&first));
    }
}

#[test]
fn a_reload_survives_the_death_of_every_server_that_hears_of_it() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    for number in 2..8 {
        // Known to the kernel, which is to forget it.
        assert!(stand.read("small") == pattern(number - 1, 5000));
        assert!(stand.read("large") == pattern(number - 1, LARGE));
        state(number).build_upon(&stand.vault);
        let (done, monitor) = (AtomicBool::new(false), stand.monitor);
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                // From when the decryptor is done: before, nobody has heard of it.
                let generation = stand.objects();
                wait_for("a new generation", || stand.objects() != generation || done.load(Relaxed));
                let rounds = AtomicUsize::new(0);
                kill_all_servers(monitor, || rounds.fetch_add(1, Relaxed) > 200 || done.load(Relaxed))
            });
            stand.reload().succeeds();
            done.store(true, Relaxed);
            assert!(stand.read("small") == pattern(number, 5000));
            assert!(stand.read("large") == pattern(number, LARGE));
            killer.join().expect("no panic");
        });
    }
}

#[test]
fn unmounting_while_it_is_dead_ends_everything() {
    if !machine::has(&NEEDS) {
        return;
    }
    let ends: [fn(&Stand); 4] = [
        |stand| drop(stand.place.ask("unmount").succeeds()),
        |stand| stand.signal(Signal::TERM),
        |stand| {
            // Not umount(8), which asks the file system before it unmounts, and so waits for a server.
            rustix::mount::unmount(stand.place.path(), UnmountFlags::empty()).expect("unmounted");
        },
        |stand| {
            // While a reload runs as well.
            let reload = stand.reload();
            let reload = thread::spawn(move || reload.run());
            stand.signal(Signal::TERM);
            reload.join().expect("no panic");
        },
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let stand = Stand::of(state(1));
        let (monitor, ended) = (stand.monitor, AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| kill_all_servers(monitor, || ended.load(Relaxed)));
            end(&stand);
            let is_over = || !stand.place.is_mounted() && stand.place.monitors().is_empty();
            let over =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_for("the end", is_over)));
            ended.store(true, Relaxed);
            assert!(over.is_ok(), "way {at}: something is left");
        });
    }
}
