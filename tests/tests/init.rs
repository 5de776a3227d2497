//! `vaultgen init`: what it makes, asks and refuses.

use std::{fs, os::unix::fs::PermissionsExt};

use fixtures::{
    command::vaultgen,
    machine::{self, Need::Program},
    tree,
    vault::Vault,
};

/// What `vault.md` promises, but the machines' folder.
const STANDARD_FILES: [&str; 26] = [
    ".gitattributes",
    ".gitignore",
    "age.key",
    "allowed_signers",
    "certs/localhost-cert.pem.age",
    "certs/localhost-key.pem.age",
    "certs/vault-ca-cert.pem.age",
    "certs/vault-ca-key.pem.age",
    "passwords/admin.sha512.age",
    "passwords/admin.txt.age",
    "passwords/admin.yesc.age",
    "passwords/odoo-admin.sha512.age",
    "passwords/odoo-admin.txt.age",
    "passwords/odoo-admin.yesc.age",
    "passwords/pgadmin-admin.sha512.age",
    "passwords/pgadmin-admin.txt.age",
    "passwords/pgadmin-admin.yesc.age",
    "passwords/root.sha512.age",
    "passwords/root.txt.age",
    "passwords/root.yesc.age",
    "signing.key",
    "ssh/id_ed25519.age",
    "ssh/id_ed25519.pub",
    "templates/admin.conf",
    "vault.lock",
    "vault.lock.sig",
];

fn files(vault: &Vault) -> Vec<String> {
    let nodes = tree::snapshot(&vault.path());
    let files = nodes.keys().filter(|path| vault.path().join(path).is_file());
    files.map(|path| path.to_str().expect("UTF-8").to_owned()).filter(|path| path != "vault.toml").collect()
}

#[test]
fn makes_every_standard_file_and_nothing_else() {
    let vault = Vault::standard();
    assert_eq!(files(&vault), STANDARD_FILES);
    assert!(vault.path().join("vault.toml").is_file());
    vaultgen().args(["verify", "--vault"]).arg(vault.path()).succeeds().says("sound: 17 secrets, serial 1");
}

#[test]
fn private_keys_are_the_operators_alone() {
    let vault = Vault::standard();
    for file in ["age.key", "signing.key"] {
        let mode = fs::metadata(vault.path().join(file)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let vault = Vault::standard();
    let before = tree::snapshot(&vault.path());
    for batch in [&["--batch"][..], &[]] {
        let again = vaultgen().arg("init").args(batch).arg("--vault").arg(vault.path()).succeeds();
        again.says("nothing to do");
        assert!(tree::snapshot(&vault.path()) == before, "the second run changed something");
    }
}

#[test]
fn two_vaults_have_nothing_in_common() {
    if !machine::has(&[Program("age")]) {
        return;
    }
    let (one, other) = (Vault::standard(), Vault::standard());
    for name in one.names() {
        assert_ne!(one.open(&name), other.open(&name), "{name}");
    }
}

#[test]
fn bare_makes_a_vault_without_secrets() {
    let folder = tree::folder();
    let path = folder.path().join("vault");
    vaultgen().args(["init", "--batch", "--bare", "--vault"]).arg(&path).succeeds();
    let names: Vec<_> = tree::snapshot(&path).into_keys().filter(|path| path.extension().is_some()).collect();
    assert!(names.iter().all(|path| path.extension().is_some_and(|end| end != "age")), "{names:?}");
    vaultgen().args(["verify", "--vault"]).arg(&path).succeeds().says("sound: 0 secrets");
}

#[test]
fn what_was_lost_is_made_again_and_the_rest_kept() {
    let folder = tree::folder();
    let path = folder.path().join("vault");
    vaultgen().args(["init", "--batch", "--bare", "--vault"]).arg(&path).succeeds();
    let key = fs::read(path.join("age.key")).expect("a key");
    vaultgen().args(["init", "--batch", "--vault"]).arg(&path).succeeds().says("17 secrets, serial 2");
    assert_eq!(fs::read(path.join("age.key")).expect("a key"), key);
    vaultgen().args(["verify", "--vault"]).arg(&path).succeeds();
}

#[test]
fn what_it_says_holds_no_secret() {
    if !machine::has(&[Program("age")]) {
        return;
    }
    let folder = tree::folder();
    let made = vaultgen().args(["init", "--batch"]).in_folder(folder.path()).succeeds();
    let vault = Vault::copy_of(&folder.path().join("vault"));
    for name in vault.names().iter().filter(|name| name.starts_with("passwords/")) {
        let secret = vault.open_text(name);
        assert!(!made.text().contains(&secret) && !made.errors.contains(&secret), "{name}");
    }
    let key = fs::read_to_string(vault.identity()).expect("an identity");
    let key = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY")).expect("a key");
    assert!(!made.text().contains(key));
}
