//! `vaultd trust` and `vaultd accept`, as root runs them, on a state of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use fixtures::command::{Run, vaultd};
use fixtures::disk::Disk;
use fixtures::machine::{self, Need};
use fixtures::vault::Vault;
use vault_format::signers::{AllowedSigners, Signer};
use vault_format::ssh::SshKey;
use vault_format::{VaultFolder, ssh, verify};
use vaultd::snapshot::Recorder;
use vaultd::state::{Exception, Facts, StateFolder, Verdict};

const MOUNT_POINT: &str = "/run/vault";
const NOBODY: u32 = 50_003;

/// A machine with its signers and its state.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signers(&self) -> PathBuf {
        self.path("etc/allowed_signers")
    }

    fn trust(&self, words: &[&str]) -> Run {
        let run = vaultd().arg("trust").args(words).arg("--allowed-signers").arg(self.signers());
        run.arg("--state").arg(self.path("state"))
    }

    fn add(&self, file: &Path) -> Run {
        self.trust(&["add"]).arg(file)
    }

    fn accept(&self, words: &[&str]) -> Run {
        vaultd().arg("accept").args(words).arg("--state").arg(self.path("state"))
    }

    /// Accepts the vault, as `vaultd mount` does.
    fn serves(&self, vault: &Vault) -> StateFolder {
        let folder = VaultFolder::open(&vault.path()).expect("a vault");
        let recorder = Recorder::new(&folder).expect("a memory object");
        let trusted = fs::read_to_string(vault.signers()).expect("signers");
        let trusted = AllowedSigners::parse(&trusted).expect("sound signers");
        let facts = Facts::of(&verify(&recorder, &trusted, |_, _| false).expect("a sound vault"));
        let state = StateFolder::open(&self.path("state"), Path::new(MOUNT_POINT)).expect("a state folder");
        state.accept(&facts, &Verdict::First, recorder.finish().expect("a snapshot")).expect("accepted");
        state
    }

    /// A file with a new signer, and his fingerprint.
    fn somebody(&self, name: &str) -> (PathBuf, String) {
        let key = SshKey::generate("").expect("a key");
        let signer = Signer::new(name, key.public_key().clone()).expect("a signer");
        let path = self.path(name);
        fs::write(&path, format!("{signer}\n")).expect("a file");
        (path, ssh::fingerprint(key.public_key()))
    }
}

#[test]
fn signers_come_and_go() {
    let machine = Machine::new();
    machine.trust(&["list"]).exits(1).explains_once("cannot read the signers");
    let (alice, fingerprint) = machine.somebody("alice");
    let (bob, _) = machine.somebody("bob");
    machine.add(&alice).succeeds().says(&format!("trusted: alice  {fingerprint}"));
    machine.add(&alice).succeeds().says("trusted already: alice");
    machine.add(&bob).succeeds();
    let listed = machine.trust(&["list"]).succeeds().text();
    assert!(listed.starts_with(&format!("alice  {fingerprint}\nbob  SHA256:")), "{listed}");
    assert_eq!(listed.lines().count(), 2);
    machine.trust(&["remove", "alice"]).succeeds().says(&format!("no longer trusted: alice  {fingerprint}"));
    machine.trust(&["remove", "alice"]).exits(1).explains_once("no signer is called alice");
    assert!(machine.trust(&["list"]).succeeds().text().starts_with("bob  "));
}

#[test]
fn who_may_not_sign_is_not_added() {
    let machine = Machine::new();
    let (alice, _) = machine.somebody("alice");
    let (bob, _) = machine.somebody("bob");
    machine.add(&bob).succeeds();
    let before = fs::read(machine.signers()).expect("the signers");
    let line = fs::read_to_string(&alice).expect("a signer");
    let ended = line.replace("odbox-vault\"", "odbox-vault\",valid-before=\"20990101\"");
    let public_key = line.split_once(" ssh-").map(|(_, key)| format!("ssh-{key}")).expect("a key");
    let cases = [
        (ended.clone(), "names nobody who may sign"),
        (format!("{ended}{line}"), "names nobody who may sign"),
        (line.replace("odbox-vault", "git"), "names nobody who may sign"),
        (String::new(), "names nobody who may sign"),
        (format!("{line}carol cert-authority {public_key}"), "line 2 of the allowed signers"),
        (public_key, "line 1 of the allowed signers"),
    ];
    for (text, error) in cases {
        fs::write(&alice, &text).expect("a file");
        machine.add(&alice).exits(1).explains_once(error);
        assert_eq!(fs::read(machine.signers()).expect("the signers"), before, "{text}");
    }
    machine.add(&machine.path("none")).exits(1).explains_once("cannot read the signers");

    fs::write(machine.signers(), &ended).expect("signers");
    fs::write(&alice, &line).expect("a file");
    machine.add(&alice).exits(1).explains_once("the key of alice has an end date");
    machine.trust(&["list"]).succeeds().says("not trusted");
    machine.trust(&["remove", "alice"]).succeeds();
    machine.add(&alice).succeeds();
}

#[test]
fn the_signer_of_what_is_served_stays() {
    let machine = Machine::new();
    let vault = Vault::with("token", "x").build();
    machine.add(&vault.signers()).succeeds();
    machine.serves(&vault);
    let (other, _) = machine.somebody("other");
    machine.add(&other).succeeds();
    let before = fs::read(machine.signers()).expect("the signers");
    machine.trust(&["remove", "operator"]).exits(1).explains_once("what is served at /run/vault (serial 1)");
    assert_eq!(fs::read(machine.signers()).expect("the signers"), before);
    machine.trust(&["remove", "other"]).succeeds();

    vault.sign_with_new_key();
    machine.add(&vault.signers()).succeeds();
    let text = fs::read_to_string(machine.signers()).expect("the signers");
    assert!(text.contains("operator") && text.contains("other"), "{text}");
    machine.serves(&vault);
    machine.trust(&["remove", "operator"]).succeeds();
    machine.trust(&["remove", "other"]).exits(1).explains_once("is signed by this signer alone");
    fs::remove_dir_all(machine.path("state")).expect("no state");
    machine.trust(&["remove", "other"]).succeeds();
}

#[test]
fn a_damaged_state_lets_no_signer_go() {
    let machine = Machine::new();
    let vault = Vault::with("token", "x").build();
    machine.add(&vault.signers()).succeeds();
    machine.serves(&vault);
    fs::write(machine.path("state/run-vault/accepted.json"), "{").expect("damage");
    machine.trust(&["remove", "operator"]).exits(1).explains_once("is damaged");
    machine.accept(&["--new-history"]).exits(1).explains_once("is damaged");
}

#[test]
fn two_who_add_at_once_both_do() {
    let machine = Machine::new();
    let files: Vec<PathBuf> = (0..6).map(|number| machine.somebody(&format!("signer{number}")).0).collect();
    thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| machine.add(file).succeeds());
        }
    });
    assert_eq!(machine.trust(&["list"]).succeeds().text().lines().count(), 6);
}

#[test]
fn a_full_disk_leaves_the_signers() {
    if !machine::has(&[Need::Root, Need::Program("mount")]) {
        return;
    }
    let (machine, disk) = (Machine::new(), Disk::of_pages(16));
    let (alice, _) = machine.somebody("alice");
    let (bob, _) = machine.somebody("bob");
    let list = disk.path().join("allowed_signers");
    let add = |file: &Path| {
        let run = vaultd().args(["trust", "add"]).arg(file).arg("--allowed-signers").arg(&list);
        run.arg("--state").arg(machine.path("state"))
    };
    add(&alice).succeeds();
    let before = fs::read(&list).expect("the signers");
    disk.leave_free(0);
    add(&bob).exits(1).explains_once("cannot write the signers");
    assert_eq!(fs::read(&list).expect("the signers"), before);
    assert_eq!(fs::read_dir(disk.path()).expect("the disk").count(), 2, "something was left");
}

#[test]
fn an_exception_is_made_once_and_recorded() {
    let machine = Machine::new();
    machine.accept(&["--new-history"]).exits(1).explains_once("nothing was accepted at /run/vault so far");
    let state = machine.serves(&Vault::with("token", "x").build());
    machine.accept(&["--new-history", "/run/other"]).exits(1).explains_once("nothing was accepted");
    assert!(!machine.path("state/run-other").exists());
    machine.accept(&["--serial", "1"]).exits(1).explains_once("serial 1 is not older");
    assert_eq!(state.waiver().expect("readable"), None);

    machine.accept(&["--serial", "0"]).succeeds().says("serial 0 of vault").says("may follow once, by root");
    let waiver = state.waiver().expect("readable").expect("a waiver");
    assert_eq!((waiver.exception, waiver.number), (Exception::Serial(0), 1));
    assert!(waiver.by.starts_with("root"), "{}", waiver.by);
    machine.accept(&["--new-history"]).succeeds();
    assert_eq!(state.waiver().expect("readable").expect("a waiver").exception, Exception::NewHistory);
    let file = fs::metadata(machine.path("state/run-vault/waiver.json")).expect("the waiver");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_exception_is_roots() {
    if !machine::has(&[Need::Root]) {
        return;
    }
    let machine = Machine::new();
    let state = machine.serves(&Vault::with("token", "x").build());
    let public = fixtures::command::public_copy("vaultd", machine.folder.path());
    fs::set_permissions(machine.folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let refused = public.args(["accept", "--new-history", "--state"]).arg(machine.path("state"));
    refused.as_user(NOBODY).exits(1).explains_once("run it as root");
    assert_eq!(state.waiver().expect("readable"), None);
}

#[test]
fn one_exception_has_to_be_named() {
    for words in [&[][..], &["--serial", "1", "--new-history"], &["--serial", "x"], &["--serial", "-1"]] {
        Machine::new().accept(words).exits(2);
    }
}
