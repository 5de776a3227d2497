//! A Debian machine in a container, with a real systemd as its first process.
//!
//! It lives in namespaces of its own (mounts, processes, network) below a process of ours, which takes everything
//! along when it ends. Its disk is a folder laid above a system that nobody changes.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use fixtures::{
    command::{Ended, program},
    machine::{self, Need},
    tree,
};
use tempfile::TempDir;

/// The system to boot, as `scripts/debian-root` makes it.
const ROOT: &str = "ODBOX_BOOT_ROOT";
/// The folder of the programs to install.
const PROGRAMS: &str = "ODBOX_BOOT_PROGRAMS";
/// How long a machine may take to boot, or to shut down, on a busy host; it takes seconds, or two minutes where a vault
/// holds it up.
const PATIENCE: Duration = Duration::from_secs(240);

/// How the container is started: `$1` is the system, `$2` the folder of this machine, `$3` the repository, `$4` the
/// programs, `$5` its name. Its control group is its own, since several run at the same time.
///
/// Of the capabilities, one is for vaultd; the machine's systemd could raise the limit of locked memory instead, but
/// not in every container.
const START: &str = r#"
set -e
group=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo | head -n 1)/$5
mkdir -p "$group" /run/systemd
echo 0 >"$group/cgroup.procs"
# What nspawn leaves behind there goes with us.
mount -t tmpfs nspawn /run/systemd
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
exec systemd-nspawn --quiet --directory="$2/root" --machine="$5" --hostname=box --boot --notify-ready=yes \
    --register=no --keep-unit --private-network --capability=CAP_IPC_LOCK --console=pipe \
    --bind=/dev/fuse --bind-ro="$3:/odbox" --bind-ro="$4:/programs"
"#;

/// Whether machines can be booted here; tells why not.
pub fn can_boot() -> bool {
    use Need::{Fuse, Program, Root};
    machine::has(&[Root, Fuse, Program("systemd-nspawn"), Program("nsenter"), Program("unshare")])
}

/// A machine that is booted, or can be.
pub struct Machine {
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    container: Child,
    /// Its first process, as numbered here.
    leader: String,
    name: String,
}

impl Machine {
    /// A machine with odbox installed as its README says, and booted.
    pub fn new() -> Self {
        let folder = tree::folder();
        for part in ["upper", "work", "root"] {
            fs::create_dir(folder.path().join(part)).expect("a folder of the machine");
        }
        let mut machine = Self { folder, running: None };
        machine.boot();
        machine.run("/odbox/scripts/install --from /programs");
        machine
    }

    /// Boots it, and waits until all of its services have been started, or have failed.
    pub fn boot(&mut self) {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!("odbox-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let socket = self.folder.path().join("notify");
        let _ = fs::remove_file(&socket);
        let news = UnixDatagram::bind(&socket).expect("a socket for news of the container");
        let console = fs::File::create(self.folder.path().join("console")).expect("a console");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", START, "sh"]);
        command.arg(given(ROOT)).arg(self.folder.path()).arg(repository()).arg(given(PROGRAMS)).arg(&name);
        command.env("NOTIFY_SOCKET", &socket).env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        command.stdin(Stdio::null()).stdout(console.try_clone().expect("a console")).stderr(console);
        let container = command.spawn().expect("unshare");
        let leader = match wait_until_ready(&news) {
            true => leader_of(&container),
            false => None,
        };
        let found = leader.is_some();
        self.running = Some(Running { container, leader: leader.unwrap_or_default(), name });
        let console = || fs::read_to_string(self.folder.path().join("console")).unwrap_or_default();
        assert!(found, "the machine did not boot: {}", console());
        // It ends with failure where anything failed, which is the caller's to judge.
        self.try_run("systemctl is-system-running --wait");
    }

    /// Shuts it down, and waits until it has ended.
    pub fn shut_down(&mut self) {
        self.run("systemctl --no-block poweroff");
        let Some(mut running) = self.running.take() else { return };
        for _ in 0..PATIENCE.as_millis() / 20 {
            if running.container.try_wait().expect("the container").is_some() {
                remove_groups(&running.name);
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.running = Some(running);
        panic!("the machine did not shut down: {}", self.journal());
    }

    /// Shuts it down and boots it.
    pub fn reboot(&mut self) {
        self.shut_down();
        self.boot();
    }

    /// Runs shell commands as root, which all succeed, and tells what they say.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let ended = self.try_run(&format!("set -eu\n{script}"));
        assert_eq!(ended.status, Some(0), "{ended}");
        ended.text().trim_end().to_owned()
    }

    /// Runs shell commands as root.
    pub fn try_run(&self, script: &str) -> Ended {
        let leader = &self.running.as_ref().expect("a machine that runs").leader;
        let enter =
            program("nsenter").args(["--target", leader, "--mount", "--uts", "--ipc", "--net", "--pid"]);
        let enter = enter.args(["--root", "--wd", "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8"]);
        let enter = enter.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
        enter.args(["sh", "-c", script]).run()
    }

    /// Shell commands to be run as root beside others.
    pub fn command(&self, script: &str) -> Command {
        let leader = &self.running.as_ref().expect("a machine that runs").leader;
        let mut command = Command::new("nsenter");
        command.args(["--target", leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]);
        command.args(["sh", "-c", script]);
        command
    }

    /// Brings a file or a folder there, in the place of what is there.
    pub fn bring(&self, from: &Path, to: &str) {
        let leader = &self.running.as_ref().expect("a machine that runs").leader;
        self.run(&format!("rm -rf {to}; mkdir -p {}", Path::new(to).parent().expect("a folder").display()));
        tree::copy(from, Path::new(&format!("/proc/{leader}/root{to}")));
    }

    /// Writes a file of the machine.
    pub fn write(&self, path: &str, text: &str) {
        let leader = &self.running.as_ref().expect("a machine that runs").leader;
        let path = PathBuf::from(format!("/proc/{leader}/root{path}"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of the machine");
        fs::write(path, text).expect("a file of the machine");
    }

    /// Puts a program there.
    pub fn install(&self, path: &str, program: &[u8]) {
        let leader = &self.running.as_ref().expect("a machine that runs").leader;
        let path = PathBuf::from(format!("/proc/{leader}/root{path}"));
        fs::write(&path, program).expect("a program of the machine");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// The journal since it was booted.
    pub fn journal(&self) -> String {
        self.try_run("journalctl --boot --no-pager --output=short-monotonic").text()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() && self.running.as_ref().is_some_and(|running| !running.leader.is_empty()) {
            eprintln!("--- the machine's journal\n{}", self.journal());
        }
        if let Some(mut running) = self.running.take() {
            let _ = running.container.kill();
            let _ = running.container.wait();
            remove_groups(&running.name);
        }
    }
}

fn given(name: &str) -> PathBuf {
    let value = env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/test --boot"));
    PathBuf::from(value)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// Waits until the container says that its machine is up; false if it never does.
fn wait_until_ready(news: &UnixDatagram) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut message = [0; 4096];
    loop {
        // It tells what it waits for all along.
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        news.set_read_timeout(Some(left)).expect("a timeout");
        match news.recv(&mut message) {
            Ok(length) if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") => {
                return true;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// The first process of the machine: unshare, then nspawn, then that; it is the first in two namespaces.
fn leader_of(container: &Child) -> Option<String> {
    let children = |number: &str| {
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children"));
        children.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let nspawn = children(&container.id().to_string()).into_iter().next()?;
    children(&nspawn).into_iter().find(|number| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        numbers.split_whitespace().last() == Some("1")
    })
}

/// Removes the control groups of a container that ended; some hosts have several trees of them.
fn remove_groups(name: &str) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let trees = mounts.lines().filter(|line| line.contains(" - cgroup2 ") || line.contains(" - cgroup "));
    trees
        .filter_map(|line| line.split(' ').nth(4))
        .for_each(|tree| remove_group(&Path::new(tree).join(name)));
}

/// From the leaves up; that one is busy is no reason to fail.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
