//! Where the plaintext is, as the kernel sees it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use vaultd::Generation;
use vaultd::generation::{Built, Object, PASSED_THROUGH};
use vaultd::sys::mapping::Mapping;

use crate::stand::{Stand, build, empty_directory, file, installed, possible, snake_oil, vaultd};

#[test]
fn errors_and_debug_output_show_no_plaintext() {
    if !possible() {
        return;
    }
    let Built { index, objects, .. } = build(&[file("secret", 0o400, "correct horse")]);
    let map = |object| Arc::new(Mapping::whole(&OwnedFd::from(reader(object))).expect("a mapping"));
    let objects = objects.iter().map(map).collect();
    let generation = Generation::open(1, index, objects, vec![None]).expect("a generation");
    let shown = format!("{generation:?}");
    assert!(!shown.contains("horse") && !shown.contains("99, 111, 114"), "{shown}");
}

#[test]
fn is_wiped_when_nobody_serves_it_any_more() {
    if !possible() {
        return;
    }
    let built =
        build(&[file("secret", 0o400, vec![1; 100_000]), file("large", 0o400, vec![1; PASSED_THROUGH])]);
    let objects: Vec<File> = built.objects.iter().map(reader).collect();
    assert_eq!(objects.len(), 2);
    let stand = Stand::of(built);
    // Cuts off readers too.
    let open = ["secret", "large"].map(|name| File::open(stand.path(name)).expect("open"));
    stand.end();

    let mut left = vec![2; 100_000];
    objects[0].read_exact_at(&mut left, 0).expect("read");
    assert!(left == [0; 100_000]);
    // Where the kernel read it by itself, it meets the end.
    let mut left = vec![2; PASSED_THROUGH];
    let read = objects[1].read_at(&mut left, 0).expect("read");
    assert!(left[..read].iter().all(|byte| *byte == 0));
    drop(open);
}

/// A second descriptor of an object that was just made.
fn reader(object: &Object) -> File {
    match object {
        Object::New(file) => file.try_clone().expect("a duplicate"),
        Object::Kept(_) => unreachable!("there is nothing before"),
    }
}

/// `vaultd mount` as a root that may lock next to nothing.
fn mount_without_locking(directory: &Path, flags: &[&str]) -> Output {
    let mount = snake_oil(directory);
    Command::new("setpriv")
        .args(["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"])
        .args(["prlimit", "--memlock=4096:4096"])
        .arg(mount.get_program())
        .args(mount.get_args())
        .arg("--background")
        .args(flags)
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
    assert!(vaultd(&["unmount"], &directory).status.success());
}
