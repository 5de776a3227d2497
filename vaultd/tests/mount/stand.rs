//! A generation made in the test, served at a temporary directory.

use std::env;
use std::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use rustix::process::{Gid, Uid};
use tempfile::TempDir;
use vaultd::generation::{Entry, Generation};
use vaultd::monitor::mount::{Mount, open_device, require_root};
use vaultd::monitor::mount_point::MountPoint;
use vaultd::server::{ServeError, serve};
use vaultd::sys::memory::Locking;

pub const OWNER: u32 = 50_001;
pub const GROUP: u32 = 50_002;

/// Times of every file and directory, with a fraction that must not get lost.
pub fn modified() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789)
}

/// A file to serve, owned by [`OWNER`] and [`GROUP`].
pub struct File {
    pub path: &'static str,
    pub mode: u16,
    pub bytes: Vec<u8>,
}

pub fn file(path: &'static str, mode: u16, bytes: impl Into<Vec<u8>>) -> File {
    File { path, mode, bytes: bytes.into() }
}

pub fn generation(files: &[File]) -> Generation {
    let entry = |file: &File| Entry {
        path: file.path.to_owned(),
        owner: OWNER.into(),
        group: GROUP.into(),
        mode: file.mode,
        modified: modified(),
        size: file.bytes.len(),
    };
    let entries: Vec<Entry> = files.iter().map(entry).collect();
    let fill = |index: usize, part: &mut [u8]| -> Result<(), String> {
        part.copy_from_slice(&files[index].bytes);
        Ok(())
    };
    Generation::build(&entries, Locking::Required, fill).expect("a generation")
}

/// A mounted generation; unmounted when dropped.
pub struct Stand {
    pub mount: Mount,
    server: JoinHandle<Result<(), ServeError>>,
    root: PathBuf,
    _directory: TempDir,
}

impl Stand {
    /// `None`, with the reason printed, where nothing can be mounted.
    pub fn serving(files: &[File]) -> Option<Self> {
        possible().then(|| Self::of(generation(files)))
    }

    /// Mounts a generation on a machine that can.
    pub fn of(generation: Generation) -> Self {
        let (directory, root) = empty_directory();
        let point = MountPoint::check(&root).expect("a mount point");
        let device = open_device().expect("/dev/fuse");
        let mount = Mount::new(&point, &device).expect("a mount");
        let server = thread::spawn(move || serve(device, Arc::new(generation)));
        mount.wait_until_readable().expect("readable");
        Self { mount, server, root, _directory: directory }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Unmounts and waits for the server to end as it should.
    pub fn end(self) {
        self.mount.end();
        self.server.join().expect("no panic").expect("a clean end");
    }
}

/// An empty directory to mount on, alone in a temporary one; everybody may pass through both.
pub fn empty_directory() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("mount");
    fs::create_dir(&directory).expect("mkdir");
    for path in [parent.path(), &directory] {
        fs::set_permissions(path, Permissions::from_mode(0o711)).expect("chmod");
    }
    (parent, directory)
}

/// Whether this machine can mount. If not, the test is to be skipped.
pub fn possible() -> bool {
    let device = require_root().and_then(|()| open_device());
    device.map_err(skip).is_ok()
}

/// Whether a program is installed. If not, the test is to be skipped.
pub fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|directory| directory.join(program).exists());
    if !found {
        skip(format!("there is no {program}"));
    }
    found
}

/// Prints why a test is skipped, or fails it where that is demanded.
fn skip(reason: impl Display) {
    let strict = env::var_os("ODBOX_TEST_STRICT").is_some_and(|value| value == "1");
    assert!(!strict, "cannot test: {reason}");
    eprintln!("skipped: {reason}");
}

/// Somebody who calls the file system.
#[derive(Clone, Copy)]
pub struct Caller {
    pub name: &'static str,
    pub uid: u32,
    pub gid: u32,
    pub groups: &'static [u32],
}

/// Everybody whose rights may differ.
pub const CALLERS: [Caller; 5] = [
    caller("root", 0, 0, &[]),
    caller("owner", OWNER, 50_003, &[]),
    caller("group", 50_004, GROUP, &[]),
    caller("supplementary group", 50_004, 50_004, &[50_005, GROUP]),
    caller("other", 50_006, 50_006, &[50_007]),
];

const fn caller(name: &'static str, uid: u32, gid: u32, groups: &'static [u32]) -> Caller {
    Caller { name, uid, gid, groups }
}

impl Caller {
    /// Runs `act` with this caller's credentials, which the kernel keeps per thread.
    pub fn run<T: Send>(self, act: impl FnOnce() -> T + Send) -> T {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        thread::scope(|scope| {
            let acting = scope.spawn(|| {
                rustix::thread::set_thread_groups(&groups).expect("groups");
                rustix::thread::set_thread_res_gid(gid, gid, gid).expect("gid");
                rustix::thread::set_thread_res_uid(uid, uid, uid).expect("uid");
                act()
            });
            acting.join().expect("no panic")
        })
    }
}
