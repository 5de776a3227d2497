//! `--background`: from one process to another, and a signal that ends it.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use vaultd::monitor::mount::open_device;
use vaultd::monitor::mount_point::MountPoint;
use vaultd::monitor::{self, background, mountinfo};
use vaultd::sys::memory::{Locking, Residency};
use vaultd::sys::process;

use crate::stand::{empty_directory, file, generation, possible};

/// Tells the processes of this test where to mount.
const MOUNT_POINT: &str = "ODBOX_TEST_MOUNT_POINT";

/// Arguments that make this program run one of the processes below.
fn process(name: &str) -> [String; 4] {
    let test = format!("background::{name}");
    [test, "--exact".to_owned(), "--ignored".to_owned(), "--nocapture".to_owned()]
}

#[test]
#[ignore = "the process that returns, run by another test"]
fn caller() {
    background::start(process("server").map(Into::into)).expect("a background process");
}

#[test]
#[ignore = "the process that serves, run by another test"]
fn server() {
    let Some(path) = env::var_os(MOUNT_POINT).map(PathBuf::from) else {
        return;
    };
    background::leave_session().expect("a new session");
    process::forbid_dumps().expect("no dumps");
    let dumpable = rustix::process::dumpable_behavior().expect("a behaviour");
    assert_eq!(dumpable, DumpableBehavior::NotDumpable);
    assert_eq!(process::lock_memory(Locking::Required).expect("locked"), Residency::Locked);

    let point = MountPoint::check(&path).expect("a mount point");
    let device = open_device().expect("/dev/fuse");
    let served = generation(&[file("pid", 0o444, std::process::id().to_string())]);
    monitor::run(&point, device, served, background::let_go).expect("a clean end");
}

/// Runs the caller until everybody has let go of its standard streams.
fn start(mount_point: &std::path::Path) -> Output {
    let mut program = Command::new(env::current_exe().expect("this program"));
    let program = program.args(process("caller")).env(MOUNT_POINT, mount_point);
    program.output().expect("a caller")
}

#[test]
fn files_are_readable_at_once_and_gone_after_a_signal() {
    if !possible() {
        return;
    }
    let (_parent, directory) = empty_directory();
    // Makes the background process our child once its caller has returned, so it can be waited for.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("subreaper");

    let output = start(&directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let pid = fs::read_to_string(directory.join("pid")).expect("readable");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    assert_ne!(locked.expect("VmLck").trim(), "0 kB");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(core.expect("a limit").split_whitespace().skip(4).take(2).eq(["0", "0"]));
    for stream in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{stream}")).expect("a stream");
        assert_eq!(target.to_str(), Some("/dev/null"));
    }

    let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, Signal::TERM).expect("a signal");
    let ended = rustix::process::waitpid(Some(pid), WaitOptions::empty()).expect("our child");
    assert_eq!(ended.expect("ended").1.exit_status(), Some(0));
    assert_eq!(mountinfo::at(&directory).expect("mounts"), None);
}
