//! A generation made in the test, served at a temporary directory.
//!
//! The test does what the monitor does: it mounts, lets the server agree with the kernel, and gives it what to
//! serve. The server runs in a thread of the test, which is not confined.

use std::env;
use std::fmt::Display;
use std::fs::{self, Permissions};
use std::mem::ManuallyDrop;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use rustix::process::{Gid, Uid};
use tempfile::TempDir;
use vault_format::Digest;
use vaultd::configuration::Record;
use vaultd::generation::{self, Built, Facts, Wanted};
use vaultd::monitor::attendants::Attendants;
use vaultd::monitor::connection::Connection;
use vaultd::monitor::keeper::agree;
use vaultd::monitor::kept::{self, Kept, Object};
use vaultd::monitor::leaving::Callers;
use vaultd::monitor::mount::{open_device, require_root};
use vaultd::monitor::mount_point::MountPoint;
use vaultd::monitor::record::Recorder;
use vaultd::process::{Station, blob, channel::Channel};
use vaultd::resolver::Owners;
use vaultd::server::{self, Order, Report};
use vaultd::sys::memory::Locking;
use vaultd::sys::store::Store;
use vaultd::verifier::Plan;

const VAULTD: &str = env!("CARGO_BIN_EXE_vaultd");
const SNAKE_OIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../snakeoil/vault");

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

/// A generation of these files, as the decryptor would make it.
pub fn build(files: &[File]) -> Built {
    let store = Store::open(Locking::Required, Uid::ROOT).expect("a store");
    let wanted = |file: &File| Wanted {
        path: file.path.to_owned(),
        facts: Facts { owner: OWNER, group: GROUP, mode: file.mode, modified: modified() },
        services: Arc::default(),
        digest: Digest::of(&file.bytes),
        size: file.bytes.len(),
    };
    let wanted: Vec<Wanted> = files.iter().map(wanted).collect();
    let fill = |place: usize, part: &mut [u8]| -> Result<(), String> {
        part.copy_from_slice(&files[place].bytes);
        Ok(())
    };
    generation::build(&store, &wanted, None, fill).expect("a generation")
}

/// The same as the monitor takes it over.
pub fn kept(built: Built) -> Kept {
    let object = |object| match object {
        generation::Object::New(file) => Arc::new(Object::take_over(file.into()).expect("an object")),
        generation::Object::Kept(_) => unreachable!("there is nothing before"),
    };
    Kept {
        number: 1,
        index: blob::write("index", &built.index).expect("an index"),
        plan: blob::write("plan", &Plan::default()).expect("a plan"),
        owners: blob::write("owners", &Owners::default()).expect("owners"),
        objects: built.objects.into_iter().map(object).collect(),
    }
}

/// A mounted generation; unmounted when dropped.
pub struct Stand {
    connection: Arc<Connection>,
    server: JoinHandle<std::io::Result<()>>,
    /// Never closed: a server that hears no monitor any more ends its process, which is this one.
    monitor: ManuallyDrop<Channel>,
    generations: Vec<Kept>,
    root: PathBuf,
    _directory: TempDir,
}

impl Stand {
    /// `None`, with the reason printed, where nothing can be mounted.
    pub fn serving(files: &[File]) -> Option<Self> {
        possible().then(|| Self::of(build(files)))
    }

    /// Mounts a generation on a machine that can.
    pub fn of(built: Built) -> Self {
        Self::showing(vec![kept(built)])
    }

    /// Mounts generations, from the oldest to the current one.
    pub fn showing(generations: Vec<Kept>) -> Self {
        let (directory, root) = empty_directory();
        let connection =
            Connection::new(&MountPoint::check(&root).expect("a mount point")).expect("a connection");
        let connection = Arc::new(connection);
        let (server, monitor) = start_server();
        let stand = Self { connection, server, monitor, generations, root, _directory: directory };
        stand.hand_over();
        stand
    }

    fn hand_over(&self) {
        let Self { connection, monitor, generations, .. } = self;
        let station = Station::of_user("vaultd", Locking::Required).expect("a station");
        if agree(monitor, connection, station).expect("an agreement").passthrough {
            self.register();
        }
        let (_, lines) = Attendants::start(connection, &Recorder::start()).expect("attendants");
        let held = [connection.descriptors(), lines.descriptors()].concat();
        let order = Order::Serve { asks_again: false, record: Record::On };
        kept::send(monitor, &held, generations, &order).expect("an order");
        let (report, _) = monitor.receive::<Report>().expect("a report").expect("a server");
        let current = generations.last().map(|kept| kept.number);
        assert!(
            matches!(report, Report::Shows { generation, .. } if Some(generation) == current),
            "{report:?}"
        );
    }

    /// Has the kernel read itself what it can; tells under which numbers it does.
    pub fn register(&self) -> Vec<Option<u32>> {
        self.generations.iter().for_each(|kept| kept.register(&self.connection.device));
        self.generations.iter().flat_map(|kept| kept.parcel().0.backings).collect()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Has the server let go, and another one go on that asks for nothing to be sent again, as on a kernel that cannot.
    pub fn next_server(&mut self) {
        let reports = |wanted: fn(&Report) -> bool| loop {
            let (report, _) = self.monitor.receive::<Report>().expect("a report").expect("a server");
            if wanted(&report) {
                return;
            }
        };
        self.monitor.send(&Order::Pause, &[]).expect("an order");
        reports(|report| matches!(report, Report::Pauses));
        self.monitor.send(&Order::Rest, &[]).expect("an order");
        let callers = Callers::start(&self.root);
        reports(|report| matches!(report, Report::Rests));
        drop(callers);
        (self.server, self.monitor) = start_server();
        self.hand_over();
    }

    /// Unmounts and waits for the server to end as it should.
    pub fn end(self) {
        self.connection.mount.end();
        self.server.join().expect("no panic").expect("a clean end");
    }
}

fn start_server() -> (JoinHandle<std::io::Result<()>>, ManuallyDrop<Channel>) {
    let (monitor, its_end) = Channel::pair().expect("a channel");
    let server = thread::spawn(move || {
        let (_, descriptors) = its_end.receive::<Order>()?.expect("an order");
        server::serve(its_end, descriptors)
    });
    (server, ManuallyDrop::new(monitor))
}

/// Our program with a verb and a path.
pub fn vaultd(arguments: &[&str], path: &Path) -> Output {
    Command::new(VAULTD).args(arguments).arg(path).output().expect("vaultd")
}

/// The command that mounts the snake-oil vault on an [`empty_directory`], and remembers it beside that.
pub fn snake_oil(directory: &Path) -> Command {
    let mut program = Command::new(VAULTD);
    program
        .args(["mount", "--allow-snakeoil", "--vault", SNAKE_OIL])
        .args(["--identity", &format!("{SNAKE_OIL}/age.key")])
        .args(["--allowed-signers", &format!("{SNAKE_OIL}/allowed_signers")])
        .arg("--state")
        .arg(directory.with_file_name("state"))
        .arg(directory);
    program
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
