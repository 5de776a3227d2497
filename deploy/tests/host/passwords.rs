//! Passwords of the vault open the machine through PAM, and nothing else does.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
};

use fixtures::{
    command::{Ended, program},
    login::Login,
    machine::{
        self,
        Need::{Program, Root},
    },
    tree,
    vault::{self, Vault},
};
use tempfile::TempDir;

use crate::node;

const FOLDER: &str = "/run/odbox/login";

/// The service of PAM of a test, gone afterwards.
struct Service {
    name: String,
    folder: TempDir,
}

impl Service {
    /// As every program on the machine asks, but for the folder of the hashes.
    fn new(name: &str) -> Self {
        let service = Self { name: format!("odboxtest{}{name}", process::id()), folder: tree::folder() };
        let rendered = node::dev_vm("");
        let auth = node::text(&rendered, "/etc/pam.d/common-auth");
        assert!(auth.contains(FOLDER));
        fs::write(service.file(), auth.replace(FOLDER, service.path())).expect("a service of PAM");
        service
    }

    fn file(&self) -> PathBuf {
        Path::new("/etc/pam.d").join(&self.name)
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().expect("a path")
    }

    /// Runs the program of `odbox-login.service` with these credentials.
    fn write(&self, credentials: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let given = self.folder.path().join("credentials");
        credentials.iter().for_each(|(name, hash)| node::write(&given.join(name), hash));
        let rendered = node::dev_vm("");
        let text = node::text(&rendered, "/usr/local/lib/odbox/login-passwords").replace(FOLDER, self.path());
        let script = self.folder.path().join("script");
        node::write(&script, text);
        let variable = format!("CREDENTIALS_DIRECTORY={}", given.display());
        program("sh").arg(script).args(arguments).under(["env", &variable]).run()
    }

    fn hashes(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("passwords")).ok()
    }

    fn lets_in(&self, user: &str, password: &str) -> bool {
        let pam = program("pamtester").args([&self.name, user, "authenticate"]);
        pam.input(format!("{password}\n")).run().status == Some(0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.file());
    }
}

fn has_pam() -> bool {
    machine::has(&[Root, Program("age"), Program("pamtester"), Program("useradd")]) && has_pwdfile()
}

/// A library is no program: it is where Debian's package has it.
fn has_pwdfile() -> bool {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|kind| format!("/usr/lib/{kind}/security/pam_pwdfile.so"));
    let is_there = folders.iter().any(|path| Path::new(path).exists());
    if !is_there {
        machine::skip("there is no pam_pwdfile");
    }
    is_there
}

fn snake_oil_hash() -> String {
    Vault::copy_of(&vault::snake_oil()).open_text("passwords/admin.yesc")
}

#[test]
fn the_password_of_the_vault_opens_and_no_other() {
    if !has_pam() {
        return;
    }
    let (service, person, other) = (Service::new("right"), Login::new(), Login::new());
    let hash = snake_oil_hash();
    assert!(!service.lets_in(person.name(), "abc123"), "there is no hash yet");
    assert_eq!(service.write(&[("admin", &hash)], &["admin", person.name()]).status, Some(0));
    assert_eq!(service.hashes(), Some(format!("{}:{hash}\n", person.name())));
    let mode = fs::metadata(service.folder.path().join("passwords")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(service.lets_in(person.name(), "abc123"));
    for wrong in ["abc124", "", "abc123 ", &hash] {
        assert!(!service.lets_in(person.name(), wrong), "{wrong:?} opens");
    }
    assert!(!service.lets_in(other.name(), "abc123"), "it is another's password");
}

/// What `passwd` on the machine does is not in the description.
#[test]
fn a_password_of_the_machines_own_opens_nothing() {
    if !has_pam() {
        return;
    }
    let (service, person) = (Service::new("shadow"), Login::new());
    person.set_hash(&snake_oil_hash());
    assert!(person.authenticate("abc123").status == Some(0), "this machine's own PAM takes it");
    assert!(!service.lets_in(person.name(), "abc123"));
}

/// sshd asks for that after a login with a key, without having authenticated by PAM.
#[test]
fn a_login_without_a_password_gets_its_credentials() {
    if !has_pam() {
        return;
    }
    let (service, person) = (Service::new("key"), Login::new());
    program("pamtester").args([&service.name, person.name(), "setcred(PAM_ESTABLISH_CRED)"]).succeeds();
}

#[test]
fn what_is_no_hash_is_refused_and_the_hashes_before_stay() {
    if !machine::has(&[Root]) {
        return;
    }
    let service = Service::new("refuse");
    let hash = "$y$j9T$abcdefgh$0123456789";
    assert_eq!(service.write(&[("root", hash)], &["root", "root"]).status, Some(0));
    let before = Some(format!("root:{hash}\n"));
    for wrong in ["", "abc123", "$y$", "$1$abc$def", "$y$a:b", "$y$a\nroot:$y$b", "$y$a b"] {
        let ended = service.write(&[("root", wrong)], &["root", "root"]);
        assert_eq!(ended.status, Some(1), "{wrong:?} is taken: {ended}");
        assert!(wrong.is_empty() || !ended.errors.contains(wrong), "it tells: {ended}");
        assert_eq!(service.hashes(), before, "{wrong:?}");
    }
    let ended = service.write(&[], &["absent", "root"]);
    assert_eq!((ended.status == Some(0), service.hashes()), (false, before), "{ended}");
}
