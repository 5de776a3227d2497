//! Mounts that come and go: in use, dead, in the way.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use rustix::io::Errno;
use vaultd::monitor::mount::{Mount, detach, open_device};
use vaultd::monitor::mount_point::{MountPoint, MountPointError, detach_dead};
use vaultd::monitor::{self, mountinfo};

use crate::stand::{File as Served, Stand, empty_directory, file, generation, possible};

fn one_file() -> Vec<Served> {
    vec![file("secret", 0o444, vec![7; 300_000])]
}

fn vaultd(arguments: &[&str], path: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vaultd"));
    program.args(arguments).arg(path).output().expect("vaultd")
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A mount whose server is gone: nobody holds its device.
fn dead_mount(path: &Path) -> Mount {
    let device = open_device().expect("/dev/fuse");
    Mount::new(&MountPoint::check(path).expect("a mount point"), &device).expect("a mount")
}

#[test]
fn shows_up_as_what_it_is() {
    let Some(stand) = Stand::serving(&one_file()) else {
        return;
    };
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let path = stand.root().to_str().expect("a path");
    let line = mounts.lines().find(|line| line.contains(path)).expect("our mount");
    let options: Vec<&str> = line.split([' ', ',']).collect();
    for option in ["vaultd", "fuse.vaultd", "ro", "nosuid", "nodev", "noexec", "nosymfollow"] {
        assert!(options.contains(&option), "{option}: {line}");
    }
    stand.end();
}

#[test]
fn open_files_outlive_unmounting() {
    let Some(stand) = Stand::serving(&one_file()) else {
        return;
    };
    let mut open = File::open(stand.path("secret")).expect("open");
    let output = vaultd(&["unmount"], stand.root());
    assert!(output.status.success(), "{output:?}");

    assert_eq!(mountinfo::at(stand.root()).expect("mounts"), None);
    assert!(!stand.path("secret").exists());
    let mut read = Vec::new();
    open.read_to_end(&mut read).expect("read");
    assert!(read == [7; 300_000]);
    drop(open);
    stand.end();
}

#[test]
fn stopping_cuts_off_open_files() {
    let Some(stand) = Stand::serving(&one_file()) else {
        return;
    };
    let open = File::open(stand.path("secret")).expect("open");
    let secret = stand.path("secret");
    stand.end();
    assert!(!secret.exists());
    let error = (&open).read_to_end(&mut Vec::new()).expect_err("cut off");
    assert_eq!(error.raw_os_error(), Some(Errno::NOTCONN.raw_os_error()));
}

#[test]
fn stopping_cuts_off_open_files_even_after_unmounting() {
    let Some(stand) = Stand::serving(&one_file()) else {
        return;
    };
    let mounted = mountinfo::at(stand.root()).expect("mounts").expect("ours");
    let open = File::open(stand.path("secret")).expect("open");
    detach(&mounted).expect("detached");
    stand.end();
    let error = (&open).read_to_end(&mut Vec::new()).expect_err("cut off");
    assert_eq!(error.raw_os_error(), Some(Errno::NOTCONN.raw_os_error()));
}

#[test]
fn a_dead_mount_is_detached_before_mounting() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let mount = dead_mount(&directory);
    let detached = detach_dead(&directory).expect("detached");
    assert_eq!(detached.len(), 1);
    assert!(detached[0].is_ours());
    drop(mount);
    MountPoint::check(&directory).expect("free again");
}

#[test]
fn unmount_cleans_up_a_dead_mount() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let mount = dead_mount(&directory);
    assert!(vaultd(&["unmount"], &directory).status.success());
    assert_eq!(mountinfo::at(&directory).expect("mounts"), None);
    drop(mount);
}

#[test]
fn a_living_mount_is_busy() {
    let Some(stand) = Stand::serving(&one_file()) else {
        return;
    };
    assert!(detach_dead(stand.root()).expect("none dead").is_empty());
    let error = MountPoint::check(stand.root()).expect_err("busy");
    assert!(matches!(error, MountPointError::Busy(mount) if mount.is_ours()));
    stand.end();
}

#[test]
fn what_is_no_empty_directory_is_refused() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let path = directory.join("file");
    fs::write(&path, "").expect("write");
    let refused = |path: &Path| complaint(&vaultd(&["mount"], path));

    assert!(refused(&directory.join("missing")).contains("does not exist\n  hint: mkdir"));
    assert!(refused(&path).contains("is not a directory\n  hint: "));
    assert!(refused(&path.join("below")).contains("is not a directory\n  hint: "));
    assert!(refused(&directory).contains("is not empty\n  hint: "));
    assert!(refused(Path::new("/proc")).contains("is busy: proc is mounted there\n  hint: "));
}

#[test]
fn unmount_touches_only_vaults() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let unmount = |path: &Path| complaint(&vaultd(&["unmount"], path));
    assert!(unmount(&directory).contains("nothing is mounted at"));
    assert!(unmount(Path::new("/proc")).contains("is not a vault: proc is mounted there"));
}

#[test]
fn the_background_process_hands_on_its_failure() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let output = vaultd(&["mount", "--background"], &directory.join("missing"));
    assert!(complaint(&output).contains("does not exist"));
}

#[test]
fn wrong_usage_is_told_apart() {
    let output = vaultd(&["mount", "--no-such-flag"], Path::new("/"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn ends_well_when_somebody_unmounts() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let point = MountPoint::check(&directory).expect("a mount point");
    let device = open_device().expect("/dev/fuse");
    let (ready, readable) = mpsc::channel();
    let notify = move || ready.send(()).map_err(io::Error::other);
    let monitor = thread::spawn(move || monitor::run(&point, device, generation(&one_file()), notify));

    readable.recv().expect("ready");
    assert_eq!(fs::read(directory.join("secret")).expect("read").len(), 300_000);
    detach(&mountinfo::at(&directory).expect("mounts").expect("ours")).expect("unmounted");
    monitor.join().expect("no panic").expect("a clean end");
}

#[test]
fn unmounts_when_nobody_can_be_told() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let point = MountPoint::check(&directory).expect("a mount point");
    let device = open_device().expect("/dev/fuse");
    let gone = || Err(io::Error::from(io::ErrorKind::BrokenPipe));
    monitor::run(&point, device, generation(&one_file()), gone).expect_err("nobody listens");
    assert_eq!(mountinfo::at(&directory).expect("mounts"), None);
}
