//! Where the plaintext is, as the kernel sees it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use vaultd::sys::memory::Residency;

use crate::stand::{Stand, empty_directory, file, generation, installed, possible};

const VAULTD: &str = env!("CARGO_BIN_EXE_vaultd");
const SNAKE_OIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../snakeoil/vault");

/// The lines of `/proc/self/smaps` about the mapping that holds `address`.
fn mapping(address: usize) -> String {
    let maps = fs::read_to_string("/proc/self/smaps").expect("smaps");
    let mut found = String::new();
    let mut inside = false;
    for line in maps.lines() {
        let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
        let parse = |text: &str| usize::from_str_radix(text, 16).ok();
        if let Some((Some(start), Some(end))) = range.map(|(a, b)| (parse(a), parse(b))) {
            inside = (start..end).contains(&address);
        }
        if inside {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

fn value<'a>(mapping: &'a str, key: &str) -> &'a str {
    let line = mapping.lines().find_map(|line| line.strip_prefix(key));
    line.expect("a field of smaps").trim()
}

#[test]
fn is_locked_undumpable_read_only_and_not_inherited() {
    if !possible() {
        return;
    }
    let generation = generation(&[file("secret", 0o400, vec![1; 100_000])]);
    let mapping = mapping(generation.arena().bytes().as_ptr() as usize);

    assert_eq!(generation.residency(), Residency::Locked);
    assert_eq!(value(&mapping, "Size:"), value(&mapping, "Rss:"), "{mapping}");
    assert_ne!(value(&mapping, "Locked:"), "0 kB", "{mapping}");
    assert!(mapping.contains(" r--s "), "{mapping}");
    let flags: Vec<&str> = value(&mapping, "VmFlags:").split(' ').collect();
    for flag in ["lo", "dd", "dc"] {
        assert!(flags.contains(&flag), "{flag}: {mapping}");
    }
}

#[test]
fn errors_and_debug_output_show_no_plaintext() {
    if !possible() {
        return;
    }
    let generation = generation(&[file("secret", 0o400, "correct horse")]);
    let shown = format!("{generation:?}");
    assert!(!shown.contains("horse") && !shown.contains("99, 111, 114"), "{shown}");
}

#[test]
fn is_wiped_when_nobody_serves_it_any_more() {
    if !possible() {
        return;
    }
    let generation = generation(&[file("secret", 0o400, vec![1; 100_000])]);
    let object = generation.arena().as_fd().try_clone_to_owned();
    let object = File::from(object.expect("the memory object"));
    let stand = Stand::of(generation);
    // Cuts off a reader too.
    let reader = File::open(stand.path("secret")).expect("open");
    stand.end();

    let mut left = vec![2; 100_000];
    object.read_exact_at(&mut left, 0).expect("read");
    assert!(left == [0; 100_000]);
    drop(reader);
}

/// `vaultd mount` as a root that may lock next to nothing.
fn mount_without_locking(directory: &Path, flags: &[&str]) -> Output {
    Command::new("setpriv")
        .args(["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"])
        .args(["prlimit", "--memlock=4096:4096"])
        .args([VAULTD, "mount", "--background", "--allow-snakeoil"])
        .args(["--vault", SNAKE_OIL, "--identity", &format!("{SNAKE_OIL}/age.key")])
        .args(["--allowed-signers", &format!("{SNAKE_OIL}/allowed_signers")])
        .args(flags)
        .arg(directory)
        .output()
        .expect("setpriv")
}

#[test]
fn that_cannot_be_locked_is_refused_unless_told_otherwise() {
    if !possible() || !installed("setpriv") || !installed("prlimit") {
        return;
    }
    let (_parent, directory) = empty_directory();
    let refused = mount_without_locking(&directory, &[]);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(complaint.starts_with("error: cannot lock the memory of this process"), "{complaint}");
    assert!(complaint.contains("\n  hint: run as root, raise the limit"), "{complaint}");

    let accepted = mount_without_locking(&directory, &["--allow-swappable"]);
    let complaint = String::from_utf8_lossy(&accepted.stderr);
    assert!(complaint.contains("warning: memory is not locked"), "{complaint}");
    let unmounted = Command::new(VAULTD).arg("unmount").arg(&directory).status();
    assert!(unmounted.expect("vaultd").success());
}
