//! A machine with the files of a node, the programs of this one, and the snake-oil vault's secrets where `vaultd`
//! would serve them.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::PathBuf,
};

use deploy::{
    formats::unit::UnitFile,
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    system::{By, Content, Entry},
};
use fixtures::{
    command::program,
    machine::Need::{self, Program, Root},
    tree,
};
use tempfile::TempDir;
use vault_format::{Identities, cipher, passphrase::Nobody};

/// What every machine takes.
pub const NEEDS: [Need; 2] = [Root, Program("systemd-nspawn")];

/// The node that all have in common.
const NODE: &str = "\
architecture = \"x86_64\"
platform = \"devm\"

[vault]
snakeoil = true
machine = \"devm-x86_64\"

[login]
mode = \"standard\"
admin-email = \"admin@example.org\"

";

/// What is this machine's in it, too.
const SHARED: [&str; 6] = ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share"];
/// What it has a copy of.
const COPIED: [&str; 5] =
    ["/etc/ssl", "/etc/ca-certificates.conf", "/etc/alternatives", "/etc/ld.so.cache", "/etc/nsswitch.conf"];

/// How the container `$0` is started. Its control group is its own, since several run at the same time, and goes
/// with it; so does what nspawn leaves behind in `/run/systemd`.
const START: &str = r#"
set -e
group=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .* - cgroup2 .*/\1/p' /proc/self/mountinfo | head -n 1)/$0
mkdir -p "$group/box" /run/systemd
trap 'find "$group" -depth -type d -exec rmdir {} +' EXIT
mount -t tmpfs nspawn /run/systemd
sh -c 'echo 0 >"$0/box/cgroup.procs" && exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 "$@"' "$group" "$@" || true
"#;

/// Says whose programs run: those of a root such as scripts/debian-root makes, or else this machine's.
const OTHER_ROOT: &str = "ODBOX_BOOT_ROOT";

/// Where a path of the system that is shared is found here.
pub fn shared(path: &str) -> PathBuf {
    let root = env::var_os(OTHER_ROOT).map_or_else(|| "/".into(), PathBuf::from);
    root.join(path.trim_start_matches('/'))
}

/// A machine that is off.
pub struct Machine {
    folder: TempDir,
    units: Vec<String>,
}

impl Machine {
    /// A machine of a node with these tables.
    pub fn of(tables: &str, variant: Variant) -> Self {
        let resolved = resolve(tables, variant);
        let folder = tree::folder();
        let out = folder.path().join("tree");
        resolved.tree().write(&out).expect("a tree");
        let machine = Self { folder, units: Vec::new() };
        machine.furnish();
        for (path, By { value, .. }) in &resolved.system.files {
            machine.own(path.as_str(), value, &resolved);
        }
        machine.serve_secrets();
        // It would serve the same, and take the place of ours.
        for unit in ["vaultd.service", "vaultd-verify.service", "vaultd-cleanup.service"] {
            let path = machine.path("/etc/systemd/system").join(unit);
            let _ = fs::remove_file(&path);
            symlink("/dev/null", path).expect("a link");
        }
        machine
    }

    /// A path within the machine, from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join("tree/root").join(inside.trim_start_matches('/'))
    }

    /// Writes a file.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Adds a service of the test's own, which runs this script.
    pub fn service(mut self, name: &str, script: &str) -> Self {
        self.write(&format!("/opt/{name}"), script);
        let mut unit = UnitFile::new();
        let program = if script.starts_with("import") { "/usr/bin/python3" } else { "/bin/sh" };
        let mut service = unit.section("Service");
        service.command("ExecStart", [program, &format!("/opt/{name}")]).expect("a command");
        self.write(&format!("/etc/systemd/system/{name}"), &unit.render());
        self.units.push(name.to_owned());
        self
    }

    /// Has it start these units, and what they want; nothing else of the node but its timers.
    pub fn starting(mut self, units: &[&str]) -> Self {
        self.units.extend(units.iter().map(|unit| (*unit).to_owned()));
        self
    }

    /// Boots it, runs a script when all units have been started, and tells what that wrote to standard output.
    ///
    /// # Panics
    ///
    /// If the script fails; with all that the journal has.
    #[track_caller]
    pub fn tells(&self, script: &str) -> String {
        let script = format!(
            "trap '{{ systemctl --no-pager --failed; journalctl --no-pager --output short-precise; }} >/out/journal 2>&1' EXIT\n\
             set -eu\n{script}\necho done\n"
        );
        self.write("/opt/probe", &script);
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("SuccessAction", "exit-force")
            .set("FailureAction", "exit-force")
            .words("Wants", &self.units)
            .and_then(|section| section.words("After", &self.units))
            .expect("names of units");
        let mut service = unit.section("Service");
        service.set("Type", "oneshot").set("StandardOutput", "file:/out/said");
        service.set("StandardError", "file:/out/errors").set("TimeoutStartSec", "120");
        service.command("ExecStart", ["/bin/sh", "/opt/probe"]).expect("a command");
        self.write("/etc/systemd/system/probe.service", &unit.render());
        let target = "[Unit]\nRequires=basic.target\nWants=probe.service\nAfter=basic.target\n";
        self.write("/etc/systemd/system/default.target", target);
        fs::create_dir_all(self.path("/out")).expect("a folder");
        let ended = self.nspawn().run();
        let read = |name: &str| fs::read_to_string(self.path("/out").join(name)).unwrap_or_default();
        let said = read("said");
        let is_done = said.ends_with("done\n");
        assert!(is_done, "{said}\n--- errors\n{}\n--- journal\n{}\n{ended}", read("errors"), read("journal"));
        said
    }

    fn nspawn(&self) -> fixtures::command::Run {
        let name = self.folder.path().file_name().and_then(|name| name.to_str()).expect("a name");
        let name = name.trim_start_matches('.');
        let nspawn = program("systemd-nspawn").under(["unshare", "--mount", "sh", "-c", START, name]);
        let nspawn = nspawn.args(["--quiet", "--register=no", "--keep-unit", "--console=pipe"]);
        let nspawn = nspawn.args(["--private-network", "--hostname=devm"]);
        let nspawn = nspawn.arg(format!("--machine={name}"));
        // So that its systemd can hold services to their addresses and ports.
        let nspawn = nspawn.arg("--system-call-filter=bpf");
        let nspawn = nspawn.arg("--directory").arg(self.path("/"));
        let folders = SHARED.into_iter().filter(|folder| shared(folder).exists());
        let bind = |folder| format!("--bind-ro={}:{folder}", shared(folder).display());
        let nspawn = nspawn.args(folders.map(bind));
        let vault = self.folder.path().join("vault");
        let nspawn = nspawn.arg(format!("--bind-ro={}:/run/vault", vault.display()));
        nspawn.args(["/usr/lib/systemd/systemd", "--show-status=no"])
    }

    fn furnish(&self) {
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), self.path(name)).expect("a link");
        }
        for folder in SHARED.into_iter().chain(["/usr/local/share/ca-certificates"]) {
            fs::create_dir_all(self.path(folder)).expect("a folder");
        }
        for folder in ["/run", "/proc", "/sys", "/dev", "/tmp", "/var/lib", "/var/cache", "/var/log"] {
            fs::create_dir_all(self.path(folder)).expect("a folder");
        }
        for path in COPIED {
            program("cp").arg("-a").arg(shared(path)).arg(self.path("/etc")).succeeds();
        }
        for (path, text) in [("/etc/machine-id", ""), ("/etc/os-release", "ID=debian\n")] {
            self.write(path, text);
        }
        self.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        program("systemd-sysusers").arg("--root").arg(self.path("/")).succeeds();
    }

    /// Gives a file its owner and mode, as `deploy apply` does.
    fn own(&self, path: &str, entry: &Entry, resolved: &Resolved) {
        if matches!(entry.content, Content::Link(_)) {
            return;
        }
        let number = |name| resolved.system.users.get(name).map_or(0, |user| user.value.uid);
        let path = self.path(path);
        chown(&path, Some(number(&entry.owner)), Some(number(&entry.group))).expect("an owner");
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)).expect("a mode");
    }

    /// Root's, since credentials are opened by root.
    fn serve_secrets(&self) {
        let folder = self.folder.path().join("vault");
        let identity = snakeoil::identity("devm-x86_64").expect("an identity").to_owned();
        let identities = Identities::parse(&identity.into(), &Nobody).expect("an identity");
        fs::create_dir_all(&folder).expect("a folder");
        for (path, ciphertext) in snakeoil::files() {
            let Some(name) = path.strip_suffix(".age") else { continue };
            // Not all is for this machine.
            let Ok(plaintext) = cipher::decrypt(ciphertext, &identities) else { continue };
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, plaintext.expose()).expect("a secret");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("a mode");
        }
    }
}

/// A node of these tables, resolved.
pub fn resolve(tables: &str, variant: Variant) -> Resolved {
    let text = format!("{NODE}{tables}");
    let resolved = pipeline::resolve(&[NodeFile::from_text("devm-x86_64", "node.toml", &text)], variant);
    resolved.unwrap_or_else(|problems| panic!("{problems:?}"))
}
