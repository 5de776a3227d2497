//! Where `vaultgen` looks for the operator's keys, and that it asks for no passphrase in vain.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree,
    vault::Vault,
};
use tempfile::TempDir;

const NEEDS: [Need; 3] = [Program("ssh-keygen"), Program("age-keygen"), Program("age")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
const PASSPHRASE: &str = "orbit-kelp-vanilla";

/// A vault whose operator keeps the keys elsewhere.
struct Scene {
    vault: Vault,
    home: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { vault: Vault::with("token", "the value").build(), home: tree::folder() };
        let verify = scene.vaultgen(&["verify", "--allowed-signers"]);
        verify.arg(scene.vault.signers()).succeeds();
        scene
    }

    fn vaultgen(&self, arguments: &[&str]) -> Run {
        vaultgen().at_home(self.home.path()).arg("--vault").arg(self.vault.path()).args(arguments)
    }

    fn moves(&self, key: &str, to: &Path) {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::rename(self.vault.path().join(key), to).expect("a key to move");
    }
}

#[test]
fn keys_are_found_where_they_usually_are() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let configuration = scene.home.path().join(".config/odbox");
    let ssh = scene.home.path().join(".ssh/id_ed25519");
    fs::create_dir_all(ssh.parent().expect("a folder")).expect("a folder");
    let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f"]);
    keygen.arg(&ssh).succeeds();
    let public = ssh.with_extension("pub").display().to_string();
    let recipient = fs::read_to_string(&public).expect("a key");
    scene.vaultgen(&["recipients", "add", "ops", recipient.trim()]).succeeds();
    scene.vaultgen(&["signers", "add", "me", &public]).succeeds();

    let signed_by = |name: &str| {
        scene.vaultgen(&["rekey"]).succeeds();
        scene.vaultgen(&["verify"]).succeeds().says(&format!("signed by {name} "));
        assert_eq!(scene.vaultgen(&["show", "token"]).succeeds().text(), "the value");
    };
    scene.moves("age.key", &configuration.join("age.key"));
    scene.moves("signing.key", &configuration.join("signing.key"));
    signed_by("operator");
    fs::rename(configuration.join("age.key"), scene.home.path().join("age.key")).expect("a key to move");
    let named = scene.home.path().join("signing.key");
    fs::rename(configuration.join("signing.key"), &named).expect("a key to move");
    signed_by("me");
    // What the environment names comes first.
    let variable = format!("VAULTGEN_SIGN_KEY={}", named.display());
    scene.vaultgen(&["rekey"]).under(["env", &variable]).succeeds();
    scene.vaultgen(&["verify"]).succeeds().says("signed by operator ");

    fs::remove_file(&ssh).expect("a key to remove");
    scene.vaultgen(&["show", "token"]).exits(1).explains_once("there is no identity to decrypt with");
    scene.vaultgen(&["rekey"]).exits(1).explains_once("there is no key to sign with");
}

/// A new vault does not take over a key that only happens to be there.
#[test]
fn a_new_vault_gets_keys_of_its_own() {
    if !machine::has(&NEEDS) {
        return;
    }
    let home = tree::folder();
    let ssh = home.path().join(".ssh/id_ed25519");
    fs::create_dir_all(ssh.parent().expect("a folder")).expect("a folder");
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&ssh).succeeds();
    let vault = home.path().join("vault");
    let init = vaultgen().at_home(home.path()).args(["init", "--bare", "--batch", "--vault"]);
    init.arg(&vault).succeeds();
    assert!(vault.join("age.key").exists() && vault.join("signing.key").exists());
}

#[test]
fn a_passphrase_is_asked_for_only_where_something_is_decrypted() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let scene = Scene::new();
    protect(&scene.vault.path().join("age.key"));

    let friend = program("age-keygen").succeeds();
    let friend = friend.errors.split("age1").nth(1).expect("a public key").trim().to_owned();
    // Nobody is in the group's audiences yet.
    let unattended = |arguments: &[&str]| scene.vaultgen(arguments).under(["setsid", "--wait"]);
    unattended(&["recipients", "add", "guest", &format!("age1{friend}")]).succeeds();
    unattended(&["grant", "token", "guest"]).exits(1).explains("there is nobody to ask");
    let mut operator = Operator::starts(scene.vaultgen(&["grant", "token", "guest"]));
    operator.reads("Passphrase for ").reads(": ").types(PASSPHRASE);
    let (status, screen) = operator.ends();
    assert!(status == 0 && !screen.contains(PASSPHRASE), "{screen}");
}

/// The operator's own SSH key, with a passphrase, is all that there is.
#[test]
fn one_ssh_key_decrypts_and_signs_and_its_passphrase_is_asked_for_once() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let scene = Scene::new();
    let ssh = scene.home.path().join(".ssh/id_ed25519");
    fs::create_dir_all(ssh.parent().expect("a folder")).expect("a folder");
    let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", PASSPHRASE, "-C", "me", "-f"]);
    keygen.arg(&ssh).succeeds();
    let public = ssh.with_extension("pub").display().to_string();
    let recipient = fs::read_to_string(&public).expect("a key");
    scene.vaultgen(&["recipients", "add", "ops", recipient.trim()]).succeeds();
    scene.vaultgen(&["signers", "add", "me", &public]).succeeds();
    for key in ["age.key", "signing.key"] {
        fs::remove_file(scene.vault.path().join(key)).expect("a key to remove");
    }

    // It decrypts and signs.
    let mut operator = Operator::starts(scene.vaultgen(&["rekey"]));
    operator.reads(&format!("Passphrase for the SSH key {}: ", ssh.display())).types(PASSPHRASE);
    let (status, screen) = operator.ends();
    assert!(status == 0 && screen.matches("Passphrase").count() == 1, "{screen}");
    assert!(!screen.contains(PASSPHRASE), "{screen}");
    scene.vaultgen(&["verify"]).succeeds().says("signed by me ");

    let mut operator = Operator::starts(scene.vaultgen(&["show", "token"]));
    operator.reads("Passphrase for ").reads(": ").types("wrong");
    let (status, screen) = operator.ends();
    assert!(status == 1 && screen.contains("error: ") && !screen.contains("the value"), "{screen}");
}

/// Each hash is made anew from its password, which has to be opened for that.
#[test]
fn a_passphrase_is_asked_for_once_a_run() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = Vault::standard().trusted();
    let on = |arguments: &[&str]| vaultgen().arg("--vault").arg(vault.path()).args(arguments);
    protect(&vault.path().join("age.key"));
    for hash in ["root.yesc", "root.sha512", "admin.yesc", "odoo-admin.sha512"] {
        let file = vault.path().join(format!("passwords/{hash}.age"));
        fs::remove_file(&file).unwrap_or_else(|error| panic!("{hash}: {error}"));
    }
    let mut operator = Operator::starts(on(&["init"]));
    operator.reads("Give them new values, and sign? [y/N] ").types("y");
    operator.reads("Passphrase for ").reads(": ").types(PASSPHRASE);
    let (status, screen) = operator.ends();
    assert!(status == 0 && screen.matches("Passphrase").count() == 1, "{screen}");

    // What replaces an identity reads it for itself, and then encrypts all anew with it.
    let mut operator = Operator::starts(on(&["rekey", "--new-identity"]));
    operator.reads("Passphrase for ").reads(": ").types(PASSPHRASE);
    let (status, screen) = operator.ends();
    assert!(status == 0 && screen.matches("Passphrase").count() == 1, "{screen}");
    on(&["verify", "--identity"]).arg(vault.identity()).succeeds().says("opened: 17 secrets");
}

/// Puts a passphrase on an identity, with age.
fn protect(key: &Path) {
    let locked = key.with_extension("locked");
    let mut operator = Operator::starts(program("age").args(["-p", "-o"]).arg(&locked).arg(key));
    for _ in 0..2 {
        operator.reads("passphrase").reads(": ").types(PASSPHRASE);
    }
    assert_eq!(operator.ends().0, 0);
    fs::rename(&locked, key).expect("a key in place of another");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("chmod");
}
