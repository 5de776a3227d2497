//! A vault that is served, and what the monitor and the kernel tell of it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use fixtures::{
    command::{Ended, Run},
    machine::Need::{self, Fuse, Program, Root},
    mount::{MountPoint, wait_for},
    vault::{Vault, VaultBuilder},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub const NEEDS: [Need; 3] = [Root, Fuse, Program("umount")];
pub const OWNER: u32 = 50_001;
pub const OTHER: u32 = 50_003;
/// Bytes of a file that the kernel reads itself where it can; above `vaultd::generation::PASSED_THROUGH`.
pub const LARGE: usize = 200_000;

/// Longer than anything takes that is due at once, on a busy machine too.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of which no two stretches are alike, others for another `seed`.
pub fn pattern(seed: u32, length: usize) -> Vec<u8> {
    let words = (seed..).flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_le_bytes());
    words.take(length).collect()
}

/// A vault that is served.
pub struct Stand {
    pub vault: Vault,
    pub place: MountPoint,
    pub monitor: Pid,
}

impl Stand {
    pub fn of(files: VaultBuilder) -> Self {
        Self::with(files, &[])
    }

    pub fn with(files: VaultBuilder, flags: &[&str]) -> Self {
        let (vault, place) = (files.build(), MountPoint::new());
        place.mount(&vault).args(flags).succeeds();
        Self::at(vault, place)
    }

    /// What is served at a place.
    pub fn at(vault: Vault, place: MountPoint) -> Self {
        let status = place.ask("status").arg("--json").succeeds();
        let status: Value = serde_json::from_slice(&status.output).expect("JSON");
        let monitor = status["monitor"]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        Self { vault, place, monitor: monitor.expect("a process") }
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.place.join(name)).expect(name)
    }

    /// Makes another state of the vault, and has it loaded.
    pub fn change(&self, files: VaultBuilder) -> Ended {
        files.build_upon(&self.vault);
        self.reload().succeeds()
    }

    pub fn reload(&self) -> Run {
        self.place.ask("reload")
    }

    pub fn status(&self) -> Value {
        let status = self.place.ask("status").arg("--json").succeeds();
        serde_json::from_slice(&status.output).expect("JSON")
    }

    /// The server, also one that does not serve yet; nothing while there is none.
    pub fn server(&self) -> Option<Pid> {
        server_of(self.monitor)
    }

    /// Ends the server, and waits for the next one to serve.
    pub fn kill_server(&self) {
        let server = self.server().expect("a server");
        kill_process(server, Signal::KILL).expect("a kill");
        wait_for("another server", || {
            let next = self.status()["server"]["pid"].as_i64();
            next.is_some_and(|next| next != i64::from(server.as_raw_nonzero().get()))
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.monitor, signal).expect("a signal");
    }

    /// The memory objects that the monitor holds, by their numbers, with their sizes.
    pub fn objects(&self) -> BTreeSet<(u64, u64)> {
        let folder = format!("/proc/{}/fd", self.monitor.as_raw_nonzero());
        let descriptors = fs::read_dir(folder).expect("descriptors").flatten();
        let unnamed = descriptors.filter(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|to| to.to_string_lossy().starts_with("/#"))
        });
        let object = unnamed.filter_map(|descriptor| fs::metadata(descriptor.path()).ok());
        object.map(|object| (object.ino(), object.len())).collect()
    }
}

/// The server among the children of a monitor.
pub fn server_of(monitor: Pid) -> Option<Pid> {
    child_of(monitor, "server")
}

/// The child of a monitor that does this.
pub fn child_of(monitor: Pid, verb: &str) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", monitor.as_raw_nonzero())).ok()?.flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers: Vec<String> =
        children.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let words = format!("vaultd\0{verb}\0");
    let is_it = |number: &String| {
        fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|line| line == words.as_bytes())
    };
    let number = numbers.into_iter().find(is_it)?;
    Pid::from_raw(number.parse().ok()?)
}

/// Does what may hang, and fails then.
pub fn in_time<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{what} hangs"))
}

/// Kills every server as soon as it is there, until `enough`.
pub fn kill_all_servers(monitor: Pid, enough: impl Fn() -> bool) -> usize {
    let start = Instant::now();
    let (mut killed, mut last) = (0, None);
    while !enough() && start.elapsed() < DEADLINE {
        let server = server_of(monitor).filter(|server| Some(*server) != last);
        if let Some(server) = server {
            // It may have been dying already.
            let _ = kill_process(server, Signal::KILL);
            (killed, last) = (killed + 1, Some(server));
        }
        thread::yield_now();
    }
    killed
}
