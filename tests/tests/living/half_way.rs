//! A decryptor that is killed half-way: what it had decrypted is wiped.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    thread,
};

use fixtures::{machine, mount::wait_for, vault::Vault};
use rustix::process::{Pid, Signal, kill_process};

use crate::stand::{NEEDS, Stand, child_of, pattern};

/// Takes a while to decrypt.
const HUGE: usize = 48 << 20;

/// The memory objects that a process has to write to, opened once more.
fn objects(process: Pid) -> Vec<File> {
    let folder = format!("/proc/{}/fd", process.as_raw_nonzero());
    let descriptors = fs::read_dir(folder).into_iter().flatten().flatten();
    let unnamed = descriptors.filter(|descriptor| {
        fs::read_link(descriptor.path()).is_ok_and(|to| to.to_string_lossy().starts_with("/#"))
    });
    let huge = |file: &File| file.metadata().is_ok_and(|object| object.len() == HUGE as u64);
    unnamed.filter_map(|object| File::open(object.path()).ok()).filter(huge).collect()
}

fn starts_with(object: &File, bytes: &[u8]) -> bool {
    let mut start = vec![0; bytes.len()];
    object.read_exact_at(&mut start, 0).is_ok() && start == bytes
}

#[test]
fn leaves_nothing_in_memory() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("small", "s"));
    let start = pattern(7, 4096);
    Vault::with("small", "s").and("huge", pattern(7, HUGE)).build_upon(&stand.vault);
    let reload = stand.reload();
    let reload = thread::spawn(move || reload.run());
    let half_done = || {
        let decryptor = child_of(stand.monitor, "decryptor")?;
        let object = objects(decryptor).into_iter().find(|object| starts_with(object, &start))?;
        Some((decryptor, object))
    };
    let (decryptor, object) = loop {
        match half_done() {
            Some(found) => break found,
            None => assert!(!reload.is_finished(), "it was too fast to be met half-way"),
        }
    };
    kill_process(decryptor, Signal::KILL).expect("a kill");
    let refused = reload.join().expect("no panic");
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.explains("the decryptor ended without an answer");
    wait_for("zeros", || starts_with(&object, &vec![0; 4096]));
    let mut rest = vec![1; HUGE];
    object.read_exact_at(&mut rest, 0).expect("a read");
    assert!(rest.iter().all(|byte| *byte == 0), "all of it is wiped");
    assert_eq!(stand.read("small"), b"s");
    stand.reload().succeeds();
    assert!(stand.read("huge") == pattern(7, HUGE));
}
