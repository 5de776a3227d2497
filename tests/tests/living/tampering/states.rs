//! Other states and other vaults, each sound in itself, in place of the one that is served.

use std::fs;

use fixtures::{machine, tree, vault::Vault};
use vault_format::{LOCK_FILE, POLICY_FILE, SIGNATURE_FILE};

use super::{CANARY, Victim};
use crate::stand::{NEEDS, Stand};

fn state(number: u32) -> fixtures::vault::VaultBuilder {
    Vault::with("token", format!("{CANARY} {number}")).and("same", CANARY)
}

#[test]
fn every_older_state() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let kept = |serial: u64| stand.vault.beside(&format!("serial-{serial}"));
    for serial in 1..5 {
        tree::copy(&stand.vault.path(), &kept(serial));
        stand.change(state(u32::try_from(serial).expect("a number") + 1));
    }
    let older: Vec<_> = (1..5).map(|serial| (serial, kept(serial))).collect();
    let victim = Victim::on(stand);
    for (serial, path) in older {
        victim.put(&path);
        victim.refuses(
            "an older state",
            &[&format!("older than what this machine accepted last: serial {serial} after 5")],
        );
    }
    victim.expect_whole();
}

#[test]
fn a_fork_with_the_same_serial() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let ours = stand.vault.beside("ours");
    tree::copy(&stand.vault.path(), &ours);
    state(2).build_upon(&stand.vault);
    let fork = stand.vault.beside("fork");
    fs::rename(stand.vault.path(), &fork).expect("a vault to move");
    fs::rename(&ours, stand.vault.path()).expect("a vault to move");
    stand.change(state(3));
    let victim = Victim::on(stand);
    victim.put(&fork);
    victim.refuses("a fork", &["the vault forked: serial 2 has the digest"]);
    // The same with the very same secrets, of which only the lock tells.
    victim.put(&victim.accepted);
    let lock = victim.stand.vault.lock();
    victim.stand.vault.sign_lock(&format!("{lock}\n"));
    victim.refuses("a lock with an empty line more", &["error: "]);
    victim.expect_whole();
}

/// Newer by its serial, and by the same signer; but what is served is not among its ancestors.
#[test]
fn a_side_branch() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(1));
    let trunk = stand.vault.beside("trunk");
    tree::copy(&stand.vault.path(), &trunk);
    for number in 2..5 {
        state(number).build_upon(&stand.vault);
    }
    let branch = stand.vault.beside("branch");
    fs::rename(stand.vault.path(), &branch).expect("a vault to move");
    fs::rename(&trunk, stand.vault.path()).expect("a vault to move");
    stand.change(state(5));
    let victim = Victim::on(stand);
    victim.put(&branch);
    victim.refuses(
        "a side branch",
        &["(serial 4) does not descend from what this machine accepted last (serial 2)"],
    );
    victim.expect_whole();
}

#[test]
fn another_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(state(1));
    let other = state(2).build();
    victim.put(&other.path());
    victim.refuses("a vault of somebody else", &["which is none of the trusted signers"]);

    // By the same signer, so that only its id tells.
    victim.put(&victim.accepted);
    let lock = victim.stand.vault.lock();
    let id = lock.lines().find(|line| line.starts_with("id = ")).expect("the id");
    let other_id = format!("id = \"{}\"", "ab".repeat(16));
    victim.stand.vault.sign_lock(&lock.replace(id, &other_id));
    victim.refuses(
        "a vault of the same signer",
        &[&format!("this is vault {}, and this machine served", "ab".repeat(16))],
    );
    victim.expect_whole();
}

#[test]
fn no_vault_at_all() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(state(1));
    let path = victim.stand.vault.path();
    fs::remove_dir_all(&path).expect("a vault to remove");
    victim.refuses("no folder", &["there is no such file or folder"]);
    fs::write(&path, "").expect("a file");
    victim.refuses("a file", &["it is not a folder"]);
    fs::remove_file(&path).expect("a file to remove");
    fs::create_dir(&path).expect("a folder");
    victim.refuses("an empty folder", &["vault.lock: there is no such file or folder"]);
    victim.expect_whole();
}

#[test]
fn an_unsigned_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(state(1));
    for files in
        [&[SIGNATURE_FILE][..], &[LOCK_FILE, SIGNATURE_FILE], &[LOCK_FILE, SIGNATURE_FILE, POLICY_FILE]]
    {
        victim.put(&victim.accepted);
        for file in files {
            fs::remove_file(victim.path(file)).expect("a file to remove");
        }
        victim.refuses("not signed", &[files[0], "there is no such file or folder"]);
    }
    victim.expect_whole();
}

#[test]
fn a_wrong_signer() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(state(1));
    let signers = fs::read(victim.stand.vault.signers()).expect("signers");
    victim.stand.vault.sign_with_new_key();
    let others = fs::read(victim.stand.vault.signers()).expect("signers");
    fs::write(victim.stand.vault.signers(), &signers).expect("signers");
    victim.refuses("signed by somebody else", &["which is none of the trusted signers"]);

    // The signer whom the machine trusted when it accepted the state, and no longer does.
    victim.put(&victim.accepted);
    fs::write(victim.stand.vault.signers(), others).expect("signers");
    victim.refuses("a signer who is trusted no more", &["which is none of the trusted signers"]);
    fs::write(victim.stand.vault.signers(), signers).expect("signers");
    victim.expect_whole();
}
