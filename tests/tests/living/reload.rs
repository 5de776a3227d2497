//! `vaultd reload`: a new open sees what is new, an open file stays what it was, nothing in between.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    process::{Child, ChildStdin, Command, Stdio},
};

use fixtures::{
    caller::Caller,
    machine::{self, Need::Program},
    mount::{wait_for, whole},
    vault::{Vault, VaultBuilder},
};
use rustix::process::Signal;

use crate::stand::{LARGE, NEEDS, OTHER, OWNER, Stand, pattern};

/// A small file and a large one, both of which the state's number tells apart.
fn state(number: u32) -> VaultBuilder {
    let small = pattern(number, 5000 + number as usize);
    Vault::with("small", small).and("large", pattern(number, LARGE + number as usize))
}

#[test]
fn tells_by_name_what_changes_and_changes_nothing_when_only_asked() {
    if !machine::has(&NEEDS) {
        return;
    }
    let owner = OWNER.to_string();
    let before = Vault::with("same", "s").and("bytes", "old").and("folder/gone", "g").and("mode", "m");
    let stand = Stand::of(before);
    let after = Vault::with("same", "s").and("bytes", "new").and("folder/new", "n");
    after.and("mode", "m").readable(&owner, &owner, "0440").build_upon(&stand.vault);

    let expected = "added folder/new\nchanged bytes\nchanged mode\nremoved folder/gone\n";
    assert_eq!(stand.reload().arg("--dry-run").succeeds().text(), expected);
    assert_eq!(stand.read("bytes"), b"old");
    assert_eq!(stand.read("folder/gone"), b"g");
    assert!(!stand.place.join("folder/new").exists());
    assert_eq!(fs::metadata(stand.place.join("mode")).expect("stat").mode() & 0o777, 0o400);
    assert_eq!(stand.status()["generation"], 1);

    assert_eq!(stand.reload().succeeds().text(), expected);
    assert_eq!(stand.read("bytes"), b"new");
    assert_eq!(stand.read("folder/new"), b"n");
    assert!(!stand.place.join("folder/gone").exists());
    let mode = fs::metadata(stand.place.join("mode")).expect("stat");
    assert_eq!((mode.mode() & 0o777, mode.uid(), mode.gid()), (0o440, OWNER, OWNER));
    assert_eq!((&stand.status()["generation"], &stand.status()["serial"]), (&2.into(), &2.into()));
    assert_eq!(stand.reload().succeeds().text(), "nothing changed\n");
}

#[test]
fn an_open_file_keeps_its_bytes_whatever_happens() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    let mut open: Vec<(File, Vec<u8>)> = Vec::new();
    // There and back again, and on.
    for (round, number) in [0, 1, 0, 2].into_iter().enumerate() {
        if round > 0 {
            stand.change(state(number));
        }
        for (name, bytes) in [
            ("small", pattern(number, 5000 + number as usize)),
            ("large", pattern(number, LARGE + number as usize)),
        ] {
            let file = File::open(stand.place.join(name)).expect(name);
            assert_eq!(file.metadata().expect("stat").len(), bytes.len() as u64, "{name} in round {round}");
            assert!(whole(&file).expect("a read") == bytes, "{name} in round {round}");
            open.push((file, bytes));
        }
        stand.kill_server();
        for (at, (file, bytes)) in open.iter().enumerate() {
            assert!(whole(file).expect("a read") == *bytes, "open file {at} in round {round}");
        }
    }
}

/// A program that has a file in its memory, and copies it to its output when its input ends.
fn mapper(path: &std::path::Path) -> (Child, ChildStdin) {
    let program = "import mmap, sys
with open(sys.argv[1], 'rb') as f:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
sys.stderr.write('mapped\\n')
sys.stderr.flush()
sys.stdin.read()
sys.stdout.buffer.write(m)";
    let mut python = Command::new("python3");
    let python = python.args(["-c", program]).arg(path);
    let mut child =
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3");
    let mut said = String::new();
    let errors = child.stderr.take().expect("a pipe");
    io::BufRead::read_line(&mut io::BufReader::new(errors), &mut said).expect("a line");
    assert_eq!(said, "mapped\n");
    let input = child.stdin.take().expect("a pipe");
    (child, input)
}

#[test]
fn what_is_mapped_stays_what_it_was() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("python3")]) {
        return;
    }
    let stand = Stand::of(state(0));
    let mappers = ["small", "large"].map(|name| mapper(&stand.place.join(name)));
    stand.change(state(1));
    stand.kill_server();
    for ((child, input), length) in mappers.into_iter().zip([5000, LARGE]) {
        drop(input);
        let output = child.wait_with_output().expect("python3");
        assert!(output.stdout == pattern(0, length), "{length} bytes");
    }
}

#[test]
fn a_vault_that_is_not_sound_changes_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    state(1).build_upon(&stand.vault);
    stand.vault.damage("small.age");
    let refused = stand.reload().exits(1);
    refused.explains("small.age");
    assert_eq!(stand.read("small"), pattern(0, 5000));
    assert_eq!(stand.read("large"), pattern(0, LARGE));
    assert_eq!(stand.status()["generation"], 1);
    // Mended, it is served.
    stand.vault.damage("small.age");
    stand.reload().succeeds();
    assert_eq!(stand.read("small"), pattern(1, 5001));
}

#[test]
fn names_appear_and_go_at_once() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("d/a", "a").and("d/b", "b"));
    let listed = || {
        let names = fs::read_dir(stand.place.join("d")).expect("a folder");
        let mut names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(listed(), ["a", "b"]);
    assert_eq!(fs::read(stand.place.join("d/c")).expect_err("missing").kind(), io::ErrorKind::NotFound);
    assert_eq!(fs::read(stand.place.join("e/f")).expect_err("missing").kind(), io::ErrorKind::NotFound);
    stand.change(Vault::with("d/b", "b").and("d/c", "c").and("e/f", "f"));
    assert_eq!(listed(), ["b", "c"]);
    assert_eq!(stand.read("d/c"), b"c");
    assert_eq!(stand.read("e/f"), b"f");
    assert_eq!(fs::read(stand.place.join("d/a")).expect_err("gone").kind(), io::ErrorKind::NotFound);
    // A folder becomes a file, and a file a folder.
    stand.change(Vault::with("d", "a file").and("e/f/g", "g"));
    assert_eq!(stand.read("d"), b"a file");
    assert_eq!(stand.read("e/f/g"), b"g");
}

#[test]
fn a_narrower_mode_holds_at_once() {
    if !machine::has(&NEEDS) {
        return;
    }
    let secret = || Vault::with("secret", "s");
    let stand = Stand::of(secret().readable("0", "0", "0444"));
    let (path, other) = (stand.place.join("secret"), Caller::user(OTHER));
    assert_eq!(other.run(|| fs::read(&path)).expect("readable"), b"s");
    let held = other.run(|| File::open(&path)).expect("open");
    stand.change(secret().readable("0", "0", "0400"));
    let refused = other.run(|| File::open(&path)).expect_err("refused");
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o777, 0o400);
    assert_eq!(whole(&held).expect("a read"), b"s", "who had it open keeps it");
    let own = OTHER.to_string();
    stand.change(secret().readable(&own, "0", "0400"));
    assert_eq!(other.run(|| fs::read(&path)).expect("his own"), b"s");
}

#[test]
fn a_signal_reloads_too() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("secret", "old"));
    Vault::with("secret", "new").build_upon(&stand.vault);
    stand.signal(Signal::HUP);
    wait_for("the new state", || stand.status()["serial"] == 2);
    wait_for("the new bytes", || stand.read("secret") == b"new");
}
