//! `--background`: the caller returns once the files are readable, and a signal ends what it left.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::process::{Pid, Signal, WaitOptions, kill_process};
use vaultd::monitor::{Status, mountinfo};

use crate::stand::{empty_directory, possible, snake_oil, vaultd};

/// Serves the snake-oil vault in the background, by a process that becomes our child, so that it can be waited for.
/// Returns once everybody has let go of the streams that it was given.
fn served(directory: &Path) -> Status {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("subreaper");
    let output = snake_oil(directory).arg("--background").output().expect("vaultd");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let status = vaultd(&["status", "--json"], directory).stdout;
    serde_json::from_slice(&status).expect("a status")
}

fn process(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid")
}

/// Ends a monitor that [`served`] started, and expects that nothing is left of its mount.
#[track_caller]
fn ends_after_a_signal(monitor: u32, directory: &Path) {
    let monitor = process(monitor);
    kill_process(monitor, Signal::TERM).expect("a signal");
    let ended = rustix::process::waitpid(Some(monitor), WaitOptions::empty()).expect("our child");
    assert_eq!(ended.expect("ended").1.exit_status(), Some(0));
    assert_eq!(mountinfo::at(directory).expect("mounts"), None);
}

#[test]
fn files_are_readable_at_once_and_gone_after_a_signal() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let pid = served(&directory).monitor.pid;
    assert_eq!(fs::read(directory.join("passwords/root.txt")).expect("readable"), b"abc123");

    let locked = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let locked = locked.lines().find_map(|line| line.strip_prefix("VmLck:"));
    assert_ne!(locked.expect("VmLck").trim(), "0 kB");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(core.expect("a limit").split_whitespace().skip(4).take(2).eq(["0", "0"]));
    for stream in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{stream}")).expect("a stream");
        assert_eq!(target.to_str(), Some("/dev/null"));
    }

    ends_after_a_signal(pid, &directory);
}

#[test]
fn a_server_that_hangs_keeps_nobody_from_stopping() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    let status = served(&directory);
    kill_process(process(status.server.pid.expect("a server")), Signal::STOP).expect("a signal");
    ends_after_a_signal(status.monitor.pid, &directory);
}

#[test]
fn nothing_is_left_mounted_when_nobody_can_be_told() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    // Nobody reads its standard output: the caller went away.
    let (_, output) = UnixStream::pair().expect("a pair");
    let mut program = snake_oil(&directory);
    let output = program.args(["--background", "--report-ready"]).stdout(OwnedFd::from(output)).output();
    let output = output.expect("vaultd");
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("cannot report that the files are readable"), "{complaint}");
    assert_eq!(mountinfo::at(&directory).expect("mounts"), None);
}
