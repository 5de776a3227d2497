//! A machine that boots units of a test within half a second, in a container with the programs of this one.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use deploy::formats::unit::UnitFile;
use fixtures::{
    command::{Run, program},
    machine::Need::{self, Program, Root},
    tree,
};
use tempfile::TempDir;

/// What it takes.
pub const NEEDS: [Need; 3] = [Root, Program("systemd-nspawn"), Program("unshare")];

/// Says whose systemd boots: a root such as scripts/debian-root makes, or else this machine's.
const OTHER_ROOT: &str = "ODBOX_BOOT_ROOT";

/// How the container is started: `$1` is its name, `$2` the machine, `$3` the programs. Its control group is its own,
/// since several run at the same time, and so is what nspawn leaves behind.
const START: &str = r#"
set -e
group=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo | head -n 1)/$1
mkdir -p "$group" /run/systemd
echo 0 >"$group/cgroup.procs"
mount -t tmpfs nspawn /run/systemd
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --machine="$1" \
    --directory="$2" --bind-ro="$3:/usr" /usr/lib/systemd/systemd --show-status=no --log-target=console
"#;

/// A machine that is off. Its services leave what they have to say in `/out`.
pub struct Machine {
    root: TempDir,
    services: Vec<String>,
    /// What systemd said when it was on, to show where something did not run.
    pub said: String,
}

impl Machine {
    pub fn new() -> Self {
        let root = tree::folder();
        for folder in
            ["usr", "etc/systemd/system", "var/lib", "run", "proc", "sys", "dev", "tmp", "mnt", "out"]
        {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.path().join(name)).expect("a link");
        }
        fs::write(root.path().join("etc/machine-id"), "").expect("a file");
        fs::write(root.path().join("etc/os-release"), "ID=debian\n").expect("a file");
        Self { root, services: Vec::new(), said: String::new() }
    }

    /// A path within the machine, from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside.trim_start_matches('/'))
    }

    /// Adds a service that runs once, after those that are there.
    pub fn service(&mut self, name: &str, unit: &UnitFile) {
        let mut unit = unit.clone();
        let mut section = unit.section("Unit");
        section.set("DefaultDependencies", "no").words("After", &self.services).expect("names of services");
        unit.section("Service").set("Type", "oneshot");
        self.write(name, &unit);
        self.services.push(name.to_owned());
    }

    fn write(&self, name: &str, unit: &UnitFile) {
        fs::write(self.path("etc/systemd/system").join(name), unit.render()).expect("a unit");
    }

    /// Boots it, has every service run, and gives systemd's own account of all units.
    pub fn boot(mut self) -> (Self, String) {
        let mut dump = UnitFile::new();
        dump.section("Unit").set("SuccessAction", "exit-force").set("FailureAction", "exit-force");
        let mut service = dump.section("Service");
        service.set("StandardOutput", "file:/out/dump");
        service.command("ExecStart", ["/usr/bin/systemd-analyze", "dump"]).expect("a command");
        self.service("dump.service", &dump);
        let mut target = UnitFile::new();
        let mut section = target.section("Unit");
        section.set("DefaultDependencies", "no").words("Wants", &self.services).expect("names of services");
        self.write("default.target", &target);
        let other = env::var_os(OTHER_ROOT).map_or_else(|| "/".into(), PathBuf::from);
        let ended = self.command(&other.join("usr")).run();
        let account = fs::read_to_string(self.path("out/dump")).unwrap_or_default();
        assert!(account.contains("default.target"), "it did not boot to its end: {ended}");
        self.said = ended.to_string();
        (self, account)
    }

    fn command(&self, usr: &Path) -> Run {
        let unshare =
            program("timeout").args(["150", "unshare", "--mount", "--pid", "--fork", "--kill-child"]);
        let start = unshare.args(["--mount-proc", "sh", "-c", START, "sh", &self.name()]);
        start.arg(self.root.path()).arg(usr)
    }

    fn name(&self) -> String {
        let folder = self.root.path().file_name().and_then(|name| name.to_str()).expect("a name");
        format!("quoting-{}", folder.trim_start_matches('.'))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let trees = mounts.lines().filter(|line| line.contains(" - cgroup2 ") || line.contains(" - cgroup "));
        let trees = trees.filter_map(|line| line.split(' ').nth(4));
        trees.for_each(|tree| remove_group(&Path::new(tree).join(self.name())));
    }
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
