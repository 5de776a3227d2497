//! Files that the kernel reads itself, where it can.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::FileExt,
};

use fixtures::{machine, vault::Vault};
use rustix::process::{Signal, kill_process};

use crate::stand::{LARGE, NEEDS, Stand, in_time, pattern};

#[test]
fn are_read_without_the_server() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("large", pattern(1, LARGE)).and("small", "s"));
    let features = &stand.status()["features"];
    // Both came with Linux 6.9.
    assert_eq!(features["passthrough"], features["resend"]);
    if features["passthrough"] != true {
        machine::skip("the kernel is older than 6.9");
        return;
    }
    let file = File::open(stand.place.join("large")).expect("open");
    let server = stand.server().expect("a server");
    kill_process(server, Signal::STOP).expect("a stop");
    let read = in_time("a read", move || {
        let mut bytes = vec![0; LARGE];
        // Closing it takes the server.
        file.read_exact_at(&mut bytes, 0).map(|()| (file, bytes))
    });
    kill_process(server, Signal::CONT).expect("going on");
    assert!(read.expect("a read").1 == pattern(1, LARGE));
}

#[test]
fn keep_their_memory_over_a_reload() {
    if !machine::has(&NEEDS) {
        return;
    }
    let state = |small: &str| Vault::with("large", pattern(1, LARGE)).and("small", small);
    let stand = Stand::of(state("1"));
    let large = |stand: &Stand| -> Vec<_> {
        stand.objects().into_iter().filter(|(_, size)| *size == LARGE as u64).collect()
    };
    let before = large(&stand);
    assert_eq!(before.len(), 1);
    let open = File::open(stand.place.join("large")).expect("open");
    stand.change(state("2"));
    assert_eq!(large(&stand), before, "it is neither copied nor decrypted again");
    stand.kill_server();
    for mut file in [open, File::open(stand.place.join("large")).expect("open")] {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("a read");
        assert!(bytes == pattern(1, LARGE));
    }
    // Gone with the last state that has it.
    stand.change(Vault::with("small", "3"));
    assert_eq!(large(&stand), []);
}

#[test]
fn sixty_four_mebibytes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let bytes = pattern(7, 64 << 20);
    let stand = Stand::of(Vault::with("huge", bytes.clone()));
    assert_eq!(fs::metadata(stand.place.join("huge")).expect("stat").len(), 64 << 20);
    assert!(stand.read("huge") == bytes);
    stand.kill_server();
    assert!(stand.read("huge") == bytes);
}
