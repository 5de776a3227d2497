//! Where a secret's bytes are, and where they never are.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use fixtures::{machine, vault::Vault};
use rustix::process::Pid;

use crate::stand::{LARGE, NEEDS, Stand, pattern};

/// Bytes that occur nowhere by chance, and in this program neither before they are made.
fn canary(seed: u32) -> Vec<u8> {
    pattern(seed.wrapping_mul(2_654_435_761) | 1, 32)
}

/// Whether these bytes are anywhere in the memory of a process.
fn has(process: Pid, bytes: &[u8]) -> bool {
    let folder = format!("/proc/{}", process.as_raw_nonzero());
    let memory = File::open(format!("{folder}/mem")).expect("memory");
    let maps = fs::read_to_string(format!("{folder}/maps")).expect("maps");
    let ranges = maps.lines().filter_map(|line| line.split_once(' ')?.0.split_once('-'));
    let number = |text| u64::from_str_radix(text, 16).expect("an address");
    ranges.map(|(start, end)| (number(start), number(end))).any(|(start, end)| {
        let size = usize::try_from(end.saturating_sub(start)).expect("a size");
        let mut part = vec![0; size];
        // What cannot be read, as the kernel's own pages, holds nothing of ours.
        let length = memory.read_at(&mut part, start).unwrap_or(0);
        holds(&part[..length], bytes)
    })
}

/// Most of a process's memory is zeros, which are passed over fast.
fn holds(memory: &[u8], bytes: &[u8]) -> bool {
    const PAGE: usize = 4096;
    (0..memory.len()).step_by(PAGE).any(|start| {
        let end = memory.len().min(start + PAGE);
        // A match may have begun on the page before.
        memory[start..end] != [0; PAGE][..end - start]
            && memory[start.saturating_sub(bytes.len())..end]
                .windows(bytes.len())
                .any(|window| window == bytes)
    })
}

#[test]
fn only_the_server_has_them_and_only_while_they_are_served() {
    if !machine::has(&NEEDS) {
        return;
    }
    let state = |seed: u32| {
        let large = [canary(seed + 1), vec![1; LARGE]].concat();
        Vault::with("small", canary(seed)).and("large", large)
    };
    let stand = Stand::of(state(10));
    let [small, large] = [canary(10), canary(11)];
    assert!(stand.read("small") == small && stand.read("large")[..32] == large);
    let server = stand.server().expect("a server");
    assert!(has(server, &small), "this test finds what is there");

    stand.change(state(20));
    assert!(stand.read("small") == canary(20));
    assert_eq!(stand.server(), Some(server));
    for gone in [&small, &large] {
        assert!(!has(server, gone), "it is served no more");
    }
    for bytes in [10, 11, 20, 21].map(canary) {
        assert!(!has(stand.monitor, &bytes), "the monitor never has any");
    }
    for process in [stand.monitor, server] {
        for file in ["environ", "cmdline"] {
            let path = format!("/proc/{}/{file}", process.as_raw_nonzero());
            let text = fs::read(path).expect(file);
            for bytes in [10, 11, 20, 21].map(canary) {
                assert!(!text.windows(32).any(|window| window == bytes), "{file}");
            }
        }
    }
}
