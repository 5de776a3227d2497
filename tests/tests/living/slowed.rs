//! A server that takes longer than it would.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use fixtures::{machine, mount::wait_for};

use crate::stand::Stand;

/// strace(1) on a server, and on no other one.
pub struct Slowed(Child);

impl Slowed {
    /// Holds each of these calls of the server on its device up, as in `read:delay_exit=MICROSECONDS`.
    pub fn server_of(stand: &Stand, calls: &str) -> Self {
        let server = stand.server().expect("a server").as_raw_nonzero().to_string();
        let mut strace = Command::new(machine::program("strace").expect("strace"));
        strace.args(["-f", "-qq", "-o", "/dev/null", "-P", "/dev/fuse", "-e", &format!("inject={calls}")]);
        let slowed = Self(strace.args(["-p", &server]).stdin(Stdio::null()).spawn().expect("strace"));
        let is_traced = |task: &fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            !status.contains("\nTracerPid:\t0\n")
        };
        let tasks = format!("/proc/{server}/task");
        let all = || fs::read_dir(&tasks).is_ok_and(|tasks| tasks.flatten().all(|task| is_traced(&task)));
        wait_for("strace", all);
        slowed
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        // It ends with the server, or has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
