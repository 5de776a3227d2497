//! Mounts that come and go: in use, dead, in the way.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Output;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};
use vaultd::monitor::mount::{Mount, detach, open_device};
use vaultd::monitor::mount_point::{MountPoint, MountPointError, detach_dead};
use vaultd::monitor::{Status, mountinfo};

use crate::stand::{File as Served, Stand, empty_directory, file, possible, snake_oil, vaultd};

/// The name and size of a file that we are asked for, and of one that the kernel reads itself where it can.
const FILES: [(&str, usize); 2] = [("small", 100_000), ("large", 300_000)];

fn files() -> Vec<Served> {
    FILES.map(|(name, size)| file(name, 0o444, vec![7; size])).into()
}

fn open_all(stand: &Stand) -> [File; 2] {
    FILES.map(|(name, _)| File::open(stand.path(name)).expect("open"))
}

/// Both give nothing of what they had: an error, or, where the kernel knows none, the end of the file.
fn assert_cut_off([mut small, mut large]: [File; 2]) {
    let error = small.read_to_end(&mut Vec::new()).expect_err("cut off");
    assert_eq!(error.raw_os_error(), Some(Errno::NOTCONN.raw_os_error()));
    assert!(matches!(large.read_to_end(&mut Vec::new()), Ok(0) | Err(_)));
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
    let Some(stand) = Stand::serving(&files()) else {
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
    let Some(stand) = Stand::serving(&files()) else {
        return;
    };
    let open = open_all(&stand);
    let output = vaultd(&["unmount"], stand.root());
    assert!(output.status.success(), "{output:?}");

    assert_eq!(mountinfo::at(stand.root()).expect("mounts"), None);
    for (mut open, (name, size)) in open.into_iter().zip(FILES) {
        assert!(!stand.path(name).exists());
        let mut read = Vec::new();
        open.read_to_end(&mut read).expect("read");
        assert!(read == vec![7; size], "{name}");
    }
    stand.end();
}

#[test]
fn stopping_cuts_off_open_files() {
    let Some(stand) = Stand::serving(&files()) else {
        return;
    };
    let open = open_all(&stand);
    let secret = stand.path("small");
    stand.end();
    assert!(!secret.exists());
    assert_cut_off(open);
}

#[test]
fn stopping_cuts_off_open_files_even_after_unmounting() {
    let Some(stand) = Stand::serving(&files()) else {
        return;
    };
    let mounted = mountinfo::at(stand.root()).expect("mounts").expect("ours");
    let open = open_all(&stand);
    detach(&mounted).expect("detached");
    stand.end();
    assert_cut_off(open);
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
fn a_mount_that_is_gone_leaves_the_next_one_alone() {
    if !possible() {
        return;
    }
    let (_directory, path) = empty_directory();
    let gone = dead_mount(&path);
    let number = mountinfo::at(&path).expect("mounts").expect("a mount").id;
    detach(&mountinfo::at(&path).expect("mounts").expect("a mount")).expect("unmounted");
    let next = dead_mount(&path);
    let seen = mountinfo::at(&path).expect("mounts").expect("a mount");
    drop(gone);
    assert_eq!(
        mountinfo::at(&path).expect("mounts"),
        Some(seen.clone()),
        "{number} was gone, not {}",
        seen.id
    );
    drop(next);
    assert_eq!(mountinfo::at(&path).expect("mounts"), None);
}

#[test]
fn a_living_mount_is_busy() {
    let Some(stand) = Stand::serving(&files()) else {
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
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("subreaper");
    assert!(snake_oil(&directory).arg("--background").status().expect("vaultd").success());
    let status = vaultd(&["status", "--json"], &directory).stdout;
    let status: Status = serde_json::from_slice(&status).expect("a status");

    detach(&mountinfo::at(&directory).expect("mounts").expect("ours")).expect("unmounted");
    let monitor = i32::try_from(status.monitor.pid).ok().and_then(Pid::from_raw);
    let ended = rustix::process::waitpid(monitor, WaitOptions::empty()).expect("our child");
    assert_eq!(ended.expect("ended").1.exit_status(), Some(0));
}
