//! What others could see of a confined process's memory.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use fixtures::caller::Caller;
use rustix::process::{Resource, Rlimit, Signal};

use crate::child::Confined;

const USER: u32 = 61_042;

/// Whether another process of the same user can look into one.
fn readable(pid: i32) -> bool {
    Caller::user(USER).run(|| File::open(format!("/proc/{pid}/mem")).is_ok())
}

pub fn the_same_user_cannot_read_its_memory() {
    let Some(resolver) = Confined::start("resolver") else { return };
    let mut open = Command::new("sleep").arg("600").uid(USER).gid(USER).spawn().expect("sleep");
    let pid = i32::try_from(open.id()).expect("a pid");
    let seen = readable(pid);
    open.kill().and_then(|()| open.wait()).expect("its end");
    assert!(seen, "the proof: of any other process it can");

    assert!(!readable(resolver.pid().as_raw_nonzero().get()), "resolver");
    for role in ["server", "decryptor", "verifier"] {
        let child = Confined::start(role).expect("root");
        assert!(!readable(child.pid().as_raw_nonzero().get()), "{role}");
    }
}

/// What a machine that collects core dumps does; children inherit it.
fn dump_cores() {
    let limit = rustix::process::getrlimit(Resource::Core);
    let raised = Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(Resource::Core, raised).expect("a limit");
}

pub fn a_crash_leaves_no_core() {
    dump_cores();
    for role in ["server", "decryptor", "verifier", "resolver"] {
        let Some(child) = Confined::start(role) else { return };
        let status = child.killed_by(Signal::ABORT);
        assert_eq!((status.signal(), status.core_dumped()), (Some(libc::SIGABRT), false), "{role}");
    }

    // In a folder of its own: it may leave a file.
    let folder = tempfile::tempdir().expect("a folder");
    let mut crash = Command::new("sh");
    crash.args(["-c", "kill -ABRT $$"]).current_dir(folder.path());
    assert!(crash.status().expect("sh").core_dumped(), "the proof: of any other process it does");
}
