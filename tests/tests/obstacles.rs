//! No space, no permission, somebody else at work: the vault stays as it was, or gets both changes.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    thread,
};

use fixtures::{
    command::{Run, program, public_copy, vaultgen},
    disk::Disk,
    machine::{
        self,
        Need::{self, Program, Root},
    },
    tree::{self, contents},
    vault::Vault,
};

const DISK: [Need; 2] = [Root, Program("mount")];
const GUEST: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/// Far more than a small vault and its copy need.
const PAGES: u64 = 64;
/// Somebody who is not root.
const SOMEBODY: u32 = 50_011;

fn small() -> Vault {
    Vault::with("certs/one.pem", "one").and("token", "two").build()
}

fn on(vault: &Path, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault).args(arguments)
}

fn add_guest(vault: &Path) -> Run {
    on(vault, &["recipients", "add", "ops", GUEST])
}

fn trust(path: &Path, signers: &Path) {
    on(path, &["verify", "--allowed-signers"]).arg(signers).succeeds();
}

/// A vault on a disk of its own, which this operator trusts.
fn on_a_disk() -> (Disk, PathBuf) {
    let (disk, vault) = (Disk::of_pages(PAGES), small());
    let path = disk.path().join("vault");
    tree::copy(&vault.path(), &path);
    trust(&path, &vault.signers());
    (disk, path)
}

/// With each page more, the change gets a step further, and then it is made.
#[test]
fn a_full_disk_leaves_the_old_vault() {
    if !machine::has(&DISK) {
        return;
    }
    let (disk, path) = on_a_disk();
    let before = contents(&path);
    let mut refusals = 0;
    for free in 0..PAGES {
        disk.leave_free(free);
        let ended = add_guest(&path).run();
        on(&path, &["verify", "--identity"]).arg(path.join("age.key")).succeeds().says("opened: 2 secrets");
        if ended.status == Some(0) {
            break;
        }
        assert_eq!(ended.status, Some(1), "{free} pages free: {ended}");
        ended.explains_once("No space left on device");
        assert!(contents(&path) == before, "{free} pages free: something was changed");
        refusals += 1;
    }
    assert!(refusals > 3 && contents(&path) != before, "it failed {refusals} times");
}

/// A new vault that does not fit leaves no folder behind.
#[test]
fn a_full_disk_takes_no_new_vault() {
    if !machine::has(&DISK) {
        return;
    }
    let disk = Disk::of_pages(PAGES);
    let path = disk.path().join("vault");
    let init = || on(&path, &["init", "--bare", "--batch"]);
    for free in [0, 2, 4] {
        disk.leave_free(free);
        init().exits(1).explains_once("No space left on device");
        assert!(!path.exists(), "{free} pages free: a folder is left behind");
    }
    disk.leave_free(PAGES / 2);
    init().succeeds();
    on(&path, &["sign", "--batch"]).succeeds().says("nothing to do");
}

#[test]
fn a_read_only_disk_leaves_the_old_vault() {
    if !machine::has(&DISK) {
        return;
    }
    let (disk, path) = on_a_disk();
    disk.make_read_only();
    let before = tree::snapshot(&path);
    add_guest(&path).exits(1).explains_once("Read-only file system");
    on(&path, &["verify"]).succeeds().says("sound: 2 secrets");
    assert!(tree::snapshot(&path) == before, "something was changed");
}

/// Wherever the permission is missing, nothing is changed: at the top, or in a folder deep inside.
#[test]
fn a_folder_without_permission_leaves_the_old_vault() {
    if !machine::has(&[Root, Program("chown")]) {
        return;
    }
    let vault = small();
    let (home, programs) = (vault.beside("home"), tree::folder());
    fs::create_dir(&home).expect("a home");
    let owner = format!("{SOMEBODY}:{SOMEBODY}");
    program("chown").args(["-R", &owner]).arg(vault.path()).arg(&home).succeeds();
    let program = public_copy("vaultgen", programs.path()).as_user(SOMEBODY).at_home(&home);
    let program = program.arg("--vault").arg(vault.path());
    let run = |arguments: &[&str]| program.clone().args(arguments);
    run(&["verify", "--allowed-signers"]).arg(vault.signers()).succeeds();
    let before = contents(&vault.path());
    for folder in ["", "certs"] {
        let path = vault.path().join(folder);
        let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        set_mode(0o555);
        run(&["recipients", "add", "ops", GUEST]).exits(1).explains_once("Permission denied");
        run(&["verify"]).succeeds();
        set_mode(0o755);
        assert!(contents(&vault.path()) == before, "{folder:?}: something was changed");
    }
    run(&["recipients", "add", "ops", GUEST]).succeeds();
}

#[test]
fn two_changes_at_once_are_both_made() {
    if !machine::has(&[Program("age-keygen")]) {
        return;
    }
    let vault = small().trusted();
    for round in 0..4 {
        let runs = [0, 1].map(|_| {
            let key = program("age-keygen").succeeds().text();
            let key = key.lines().find_map(|line| line.strip_prefix("# public key: ")).map(str::to_owned);
            let key = key.expect("a public key");
            (on(&vault.path(), &["recipients", "add", "ops", &key]), key)
        });
        thread::scope(|scope| {
            let [one, two] = runs.each_ref().map(|(run, _)| scope.spawn(|| run.clone().run()));
            for ended in [one, two].map(|run| run.join().expect("an end")) {
                assert_eq!(ended.status, Some(0), "{ended}");
            }
        });
        let serial = 1 + 2 * (round + 1);
        on(&vault.path(), &["verify"]).succeeds().says(&format!("sound: 2 secrets, serial {serial}"));
        let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
        assert!(runs.iter().all(|(_, key)| policy.contains(key)), "a key is lost: {policy}");
    }
}

/// What was seen of a vault is kept for all its clones, which know no common lock.
#[test]
fn two_clones_at_once_are_both_remembered() {
    let vault = small();
    let clone = vault.beside("clone");
    tree::copy(&vault.path(), &clone);
    for _ in 0..20 {
        let verify = [vault.path(), clone.clone(), vault.path(), clone.clone()]
            .map(|path| on(&path, &["verify", "--allowed-signers"]).arg(vault.signers()));
        thread::scope(|scope| {
            let running = verify.map(|run| scope.spawn(|| run.run()));
            for ended in running.map(|run| run.join().expect("an end")) {
                assert_eq!(ended.status, Some(0), "{ended}");
            }
        });
    }
    on(&vault.path(), &["rekey"]).succeeds();
    on(&clone, &["rekey"]).exits(1).explains_once("older than the one you last saw");
}

/// Somebody who holds the vault's lock for as long as this lives.
struct Holder {
    child: Child,
    input: Option<ChildStdin>,
}

impl Holder {
    fn of(path: &Path) -> Self {
        let run = program("flock").arg(path).args(["sh", "-c", "echo held; read end"]);
        let mut child = run.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("flock");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "held\n");
        let input = child.stdin.take();
        Self { child, input }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The shell reads the end of its input.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

#[test]
fn the_second_waits_and_says_so() {
    if !machine::has(&[Program("flock"), Program("sh")]) {
        return;
    }
    let vault = small().trusted();
    let holder = Holder::of(&vault.path());
    let mut command = add_guest(&vault.path()).command();
    let mut second = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("vaultgen");
    let mut line = String::new();
    let errors = second.stderr.take().expect("its errors");
    BufReader::new(errors).read_line(&mut line).expect("a line");
    assert!(line.starts_with("waiting: another vaultgen is changing "), "{line}");
    assert!(second.try_wait().expect("a state").is_none(), "it did not wait");
    drop(holder);
    assert!(second.wait().expect("an end").success());
    on(&vault.path(), &["verify"]).succeeds().says("serial 2");
}
