//! Vaults that are not what a trusted signer signed, or not what may follow.

use std::fs;

use fixtures::{machine, tree, vault::Vault};
use vault_format::{LOCK_FILE, POLICY_FILE, SIGNATURE_FILE};

use crate::scene::{CANARY, NEEDS, Scene, bad_vault, follows_a_good_one};

const UNLIMITED: [&str; 0] = [];

#[test]
fn no_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_vault(
        |vault| {
            fs::remove_dir_all(vault.path())
                .and_then(|()| fs::create_dir(vault.path()))
                .expect("an empty folder")
        },
        "vault.lock: there is no such file or folder",
    );
}

#[test]
fn an_unsigned_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_vault(
        |vault| fs::remove_file(vault.path().join(SIGNATURE_FILE)).expect("a signature to remove"),
        "vault.lock.sig: there is no such file or folder",
    );
}

#[test]
fn a_wrong_signer() {
    if !machine::has(&NEEDS) {
        return;
    }
    let sign_as_somebody_else = |vault: &Vault| {
        let signers = fs::read(vault.signers()).expect("signers");
        vault.sign_with_new_key();
        fs::write(vault.signers(), signers).expect("signers");
    };
    bad_vault(sign_as_somebody_else, "which is none of the trusted signers");
}

#[test]
fn another_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let change_id = |vault: &Vault| {
        let lock = vault.lock();
        let id = lock.lines().find(|line| line.starts_with("id = ")).expect("the id");
        vault.sign_lock(&lock.replace(id, &format!("id = \"{}\"", "ab".repeat(16))));
    };
    follows_a_good_one(&UNLIMITED, change_id, "and this machine served vault");
}

#[test]
fn an_older_serial() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let older = scene.vault.beside("older");
    tree::copy(&scene.vault.path(), &older);
    Vault::with("token", format!("{CANARY} of the token"))
        .and("folder/other", CANARY)
        .build_upon(&scene.vault);
    scene.mount().succeeds();
    fs::remove_dir_all(scene.vault.path()).expect("a vault to remove");
    fs::rename(&older, scene.vault.path()).expect("an older vault");
    let error = "older than what this machine accepted last: serial 1 after 2";
    scene.serves_on(error);
    scene.shut_down();
    scene.falls_back(error);
}

#[test]
fn a_fork() {
    if !machine::has(&NEEDS) {
        return;
    }
    // Of the same serial, with other times in its lock.
    let fork = |vault: &Vault| vault.sign_lock(&vault.lock().replace("rotated = 20", "rotated = 21"));
    follows_a_good_one(&UNLIMITED, fork, "the vault forked: serial 1 has the digest");
}

#[test]
fn a_flipped_byte_in_any_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    for (file, error) in [
        ("token.age", "token.age is not what was signed"),
        (POLICY_FILE, "vault.toml is not what was signed"),
        (LOCK_FILE, "vault.lock is not what was signed"),
        (SIGNATURE_FILE, "vault.lock.sig"),
        (".gitignore", ".gitignore is not what was signed"),
    ] {
        bad_vault(|vault| vault.damage(file), error);
    }
}

#[test]
fn two_files_swapped() {
    if !machine::has(&NEEDS) {
        return;
    }
    let swap = |vault: &Vault| {
        let [one, other] = ["token.age", "folder/other.age"].map(|file| vault.path().join(file));
        let away = vault.beside("away");
        fs::rename(&one, &away).expect("a file to move");
        fs::rename(&other, &one).expect("a file to move");
        fs::rename(&away, &other).expect("a file to move");
    };
    bad_vault(swap, "token.age is not what was signed");
    bad_vault(swap, "folder/other.age is not what was signed");
}

#[test]
fn a_file_missing() {
    if !machine::has(&NEEDS) {
        return;
    }
    for file in ["token.age", POLICY_FILE, LOCK_FILE, SIGNATURE_FILE, ".gitattributes"] {
        let remove = |vault: &Vault| fs::remove_file(vault.path().join(file)).expect("a file to remove");
        bad_vault(remove, &format!("{file}: there is no such file or folder"));
    }
}

#[test]
fn an_extra_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    let add = |vault: &Vault| {
        let [from, to] = ["token.age", "folder/extra.age"].map(|file| vault.path().join(file));
        fs::copy(from, to).expect("an extra file");
    };
    bad_vault(add, "folder/extra.age is not in the lock");
}

#[test]
fn a_name_with_a_newline_in_the_lock() {
    if !machine::has(&NEEDS) {
        return;
    }
    let rename = |vault: &Vault| {
        let lock = vault.lock();
        assert!(lock.contains("[secret.token]"), "{lock}");
        vault.sign_lock(&lock.replace("[secret.token]", "[secret.\"to\\nken\"]"));
    };
    bad_vault(rename, "cannot be the name of a secret");
}

#[test]
fn a_name_with_a_newline_in_the_policy() {
    if !machine::has(&NEEDS) {
        return;
    }
    let add = |vault: &Vault| {
        let policy = vault.path().join(POLICY_FILE);
        let text = fs::read_to_string(&policy).expect("a policy");
        fs::write(policy, format!("{text}\n[secret.\"new\\nline\"]\n")).expect("a policy");
        vault.sign_as_it_lies();
    };
    bad_vault(add, "cannot be the name of a secret");
}

#[test]
fn a_name_with_a_newline_on_disk() {
    if !machine::has(&NEEDS) {
        return;
    }
    let add = |vault: &Vault| fs::write(vault.path().join("line\nbreak.age"), "x").expect("a file");
    bad_vault(add, "line\\nbreak.age is not in the lock");
}
