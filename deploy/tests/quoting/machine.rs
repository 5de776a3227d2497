//! A machine that boots units of a test within half a second, in a container with the programs of this one.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use deploy::formats::unit::UnitFile;
use fixtures::{
    command::program,
    machine::Need::{self, Program, Root},
    tree,
};
use tempfile::TempDir;

/// What it takes.
pub const NEEDS: [Need; 2] = [Root, Program("systemd-nspawn")];

/// Says whose systemd boots: a root such as scripts/debian-root makes, or else this machine's.
const OTHER_ROOT: &str = "ODBOX_BOOT_ROOT";

/// Without it the container has the hierarchy of this machine, which newer systemds do not boot on.
const UNIFIED: &str = "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1";

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

    fn command(&self, usr: &Path) -> fixtures::command::Run {
        let name = self.root.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let nspawn = program("systemd-nspawn").under(["timeout", "150", "env", UNIFIED]);
        let nspawn = nspawn.args(["--quiet", "--register=no", "--keep-unit", "--console=pipe"]);
        let nspawn = nspawn.arg(format!("--machine={}", name.trim_start_matches('.')));
        let nspawn = nspawn.arg("--directory").arg(self.root.path());
        let nspawn = nspawn.arg(format!("--bind-ro={}:/usr", usr.display()));
        nspawn.args(["/usr/lib/systemd/systemd", "--show-status=no", "--log-target=console"])
    }
}
