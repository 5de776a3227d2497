//! A vault that is served where nobody else's users and groups are known: `/etc` is another folder there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use fixtures::{
    command::{Run, vaultd},
    mount::{MountPoint, wait_for},
    tree,
    vault::{Vault, VaultBuilder},
};
use rustix::{
    fs::{
        CWD, FileType, Mode, OFlags,
        inotify::{self, CreateFlags, WatchFlags},
    },
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::stand::{child_of, server_of};

/// How the monitor is started: `$1` is to be its `/etc`.
const START: &str = "set -e; mount --bind \"$1\" /etc; shift; exec \"$@\"";

const ROOT_USER: &str = "root:x:0:0::/:/bin/sh\n";
const ROOT_GROUP: &str = "root:x:0:\n";

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub owner: u32,
    pub group: u32,
    pub mode: u32,
}

pub struct Town {
    etc: TempDir,
    vault: Vault,
    place: MountPoint,
    process: Child,
    reader: Reader,
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

/// One who opens what is served there.
pub struct Reader(File);

impl Reader {
    pub fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }
}

/// While it lives, whoever asks for a group waits.
pub struct Hanging(PathBuf);

impl Drop for Hanging {
    fn drop(&mut self) {
        // It is put into the place of what hangs.
        fs::rename(self.0.join("group.aside"), self.0.join("group")).expect("a rename");
    }
}

impl Town {
    /// With root as the only user and group.
    pub fn serving(files: VaultBuilder) -> Self {
        let (vault, place, etc) = (files.build(), MountPoint::new(), tree::folder());
        fs::write(etc.path().join("nsswitch.conf"), "passwd: files\ngroup: files\n").expect("sources");
        fs::write(etc.path().join("passwd"), ROOT_USER).expect("users");
        fs::write(etc.path().join("group"), ROOT_GROUP).expect("groups");
        let mount =
            vaultd().args(["mount", "--vault"]).arg(vault.path()).arg("--identity").arg(vault.identity());
        let mount = mount.arg("--allowed-signers").arg(vault.signers()).arg("--state").arg(place.state());
        let start = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "sh"];
        let start = start.map(PathBuf::from).into_iter().chain([etc.path().to_owned()]);
        let log = File::create(vault.beside("log")).expect("a log");
        let mut mount = mount.arg(place.path()).under(start).command();
        let process = mount.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("a mount");
        let there = format!("/proc/{}/root{}", process.id(), place.path().display());
        wait_for("the files", || fs::metadata(Path::new(&there).join("small")).is_ok());
        let reader = Reader(File::open(&there).expect("a mount"));
        let (users, groups) = (Vec::new(), Vec::new());
        Self { etc, vault, place, process, reader, users, groups }
    }

    pub fn etc(&self) -> &Path {
        self.etc.path()
    }

    pub fn monitor(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Runs a program there.
    pub fn inside(&self, run: Run) -> Run {
        let monitor = self.monitor().as_raw_nonzero().to_string();
        run.under(["nsenter", "--target", &monitor, "--mount"])
    }

    pub fn ask(&self, verb: &str) -> Run {
        self.inside(self.place.ask(verb))
    }

    pub fn reload(&self) -> Run {
        self.ask("reload")
    }

    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.ask("status").arg("--json").succeeds().output).expect("JSON")
    }

    pub fn change(&self, files: VaultBuilder) {
        files.build_upon(&self.vault);
        self.reload().succeeds();
    }

    /// Makes another state of the vault, in which a secret is not what was signed.
    pub fn damage(&self, files: VaultBuilder, secret: &str) {
        files.build_upon(&self.vault);
        self.vault.damage(&format!("{secret}.age"));
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.monitor(), signal).expect("a signal");
    }

    pub fn kill_server(&self) {
        let server = server_of(self.monitor()).expect("a server");
        kill_process(server, Signal::KILL).expect("a kill");
        wait_for("another server", || server_of(self.monitor()).is_some_and(|next| next != server));
    }

    /// What the monitor said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.vault.beside("log")).expect("a log")
    }

    pub fn open(&self, name: &str) -> io::Result<File> {
        self.reader.open(name)
    }

    pub fn reader(&self) -> Reader {
        Reader(self.reader.0.try_clone().expect("a descriptor"))
    }

    fn stat(&self, name: &str) -> fs::Metadata {
        let file = rustix::fs::openat(&self.reader.0, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        File::from(file.expect(name)).metadata().expect("stat")
    }

    pub fn facts(&self, name: &str) -> Facts {
        let stat = self.stat(name);
        Facts { owner: stat.uid(), group: stat.gid(), mode: stat.mode() & 0o7777 }
    }

    pub fn number(&self, name: &str) -> u64 {
        self.stat(name).ino()
    }

    /// How many generations the monitor has.
    pub fn generations(&self) -> usize {
        let folder =
            fs::read_dir(format!("/proc/{}/fd", self.monitor().as_raw_nonzero())).expect("descriptors");
        let targets = folder.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("/memfd:index")).count()
    }

    /// Adds a user, or gives it another number.
    pub fn add_user(&mut self, name: &str, number: u32) {
        self.users.retain(|(user, _)| user != name);
        self.users.push((name.to_owned(), number));
        self.write_users();
    }

    pub fn remove_user(&mut self, name: &str) {
        self.users.retain(|(user, _)| user != name);
        self.write_users();
    }

    pub fn add_group(&mut self, name: &str, number: u32) {
        self.groups.retain(|(group, _)| group != name);
        self.groups.push((name.to_owned(), number));
        self.write_groups();
    }

    pub fn remove_group(&mut self, name: &str) {
        self.groups.retain(|(group, _)| group != name);
        self.write_groups();
    }

    fn write_users(&self) {
        let lines =
            self.users.iter().map(|(name, number)| format!("{name}:x:{number}:{number}::/:/bin/false\n"));
        self.replace("passwd", ROOT_USER, lines);
    }

    fn write_groups(&self) {
        let lines = self.groups.iter().map(|(name, number)| format!("{name}:x:{number}:\n"));
        self.replace("group", ROOT_GROUP, lines);
    }

    /// As useradd(8) does it: never is there half a file.
    fn replace(&self, name: &str, root: &str, others: impl Iterator<Item = String>) {
        let (path, new) = (self.etc().join(name), self.etc().join(format!("{name}+")));
        fs::write(&new, root.to_owned() + &others.collect::<String>()).expect("a file");
        fs::rename(new, path).expect("a rename");
    }

    /// Has whoever asks for a group wait for somebody who writes them down.
    pub fn groups_hang(&self) -> Hanging {
        let (group, aside) = (self.etc().join("group"), self.etc().join("group.aside"));
        fs::rename(&group, aside).expect("a rename");
        rustix::fs::mknodat(CWD, &group, FileType::Fifo, Mode::from_raw_mode(0o644), 0).expect("a pipe");
        Hanging(self.etc().to_owned())
    }

    /// Has one look find that there are no groups at all, since they are just being written down in place.
    pub fn tells_once_of_no_group(&self) {
        let path = self.etc().join("group");
        let groups = fs::read(&path).expect("groups");
        let reads = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("inotify");
        inotify::add_watch(&reads, &path, WatchFlags::CLOSE_NOWRITE).expect("a watch");
        fs::write(&path, "").expect("no groups");
        let mut is_read = false;
        wait_for("a look", || {
            is_read |= rustix::io::read(&reads, &mut [0; 4096]).is_ok();
            is_read && child_of(self.monitor(), "resolver").is_none()
        });
        fs::write(&path, groups).expect("groups");
    }

    /// Whether the monitor has ended, as it should.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.process.try_wait().expect("a child");
        assert!(ended.is_none_or(|status| status.success()), "{ended:?}: {}", self.log());
        ended.is_some()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // It unmounts; should it not, its mounts go with its namespace.
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = kill_process(self.monitor(), Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
