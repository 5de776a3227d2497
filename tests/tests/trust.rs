//! What `vaultgen` builds on: only a state that descends from the one that this operator saw last.

use std::{fs, thread};

use fixtures::{
    command::{Ended, Run, vaultgen},
    tree,
    vault::Vault,
};
use serde_json::Value;

/// Makes the next state of the vault.
fn change(vault: &Vault) -> Ended {
    vaultgen().args(["rekey", "--batch", "--vault"]).arg(vault.path()).run()
}

/// `vaultgen verify` against the signers from outside.
fn verify(vault: &Vault) -> Run {
    let verify = vaultgen().args(["verify", "--vault"]).arg(vault.path());
    verify.arg("--allowed-signers").arg(vault.signers())
}

fn report(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.output).expect("JSON")
}

/// Expects that nothing is built on the vault as it lies there.
#[track_caller]
fn expect_refusal(vault: &Vault, error: &str) {
    let before = tree::snapshot(&vault.path());
    let refused = change(vault);
    assert_eq!(refused.status, Some(1), "{refused}");
    refused.explains_once(error);
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}

#[test]
fn a_vault_that_was_never_seen_needs_a_yes() {
    let vault = Vault::with("token", "x").build();
    expect_refusal(&vault, "was never used here before");
    assert_eq!(change(&vault.trusted()).status, Some(0));
}

#[test]
fn another_vault_in_its_place_is_refused() {
    let vault = Vault::with("token", "x").build().trusted();
    let other = Vault::with("token", "y").build();
    fs::remove_dir_all(vault.path()).expect("a vault to remove");
    tree::copy(&other.path(), &vault.path());
    expect_refusal(&vault, "and now holds vault");
}

/// Also one by the same signer; and looking at it does not let it in.
#[test]
fn verify_tells_another_vault_in_its_place() {
    let vault = Vault::with("token", "x").build().trusted();
    let [ours, theirs] = ["ours", "theirs"].map(|name| vault.beside(name));
    let init = || vaultgen().args(["init", "--bare", "--batch", "--vault"]);
    init().arg(&ours).arg("--sign-key").arg(vault.path().join("signing.key")).succeeds();
    init().arg(&theirs).succeeds();
    let kept = vault.beside("kept");
    fs::rename(vault.path(), &kept).expect("a vault to move");

    tree::copy(&theirs, &vault.path());
    verify(&vault).exits(1).explains_once("which is none of the trusted signers");
    fs::remove_dir_all(vault.path()).expect("a vault to remove");

    tree::copy(&ours, &vault.path());
    let held = format!("{} held vault ", vault.path().display());
    for _ in 0..2 {
        verify(&vault).exits(1).explains_once(&held).says(" so far, and now holds vault ");
    }
    let told = report(&verify(&vault).arg("--json").exits(1));
    assert_eq!(told["sound"], false, "{told}");
    assert!(told["problems"][0].as_str().is_some_and(|problem| problem.contains(&held)), "{told}");
    expect_refusal(&vault, &held);

    fs::remove_dir_all(vault.path()).expect("a vault to remove");
    fs::rename(&kept, vault.path()).expect("a vault to move");
    verify(&vault).succeeds();
    assert_eq!(change(&vault).status, Some(0));
}

/// Whoever removes a vault and makes a new one there has not been handed another one.
#[test]
fn a_new_vault_in_its_place_is_known() {
    let vault = Vault::with("token", "x").build().trusted();
    for _ in 0..4 {
        fs::remove_dir_all(vault.path()).expect("a vault to remove");
        vaultgen().args(["init", "--bare", "--batch", "--vault"]).arg(vault.path()).succeeds();
        vaultgen().args(["rekey", "--batch", "--vault"]).arg(vault.path()).succeeds();
    }
}

#[test]
fn an_older_state_is_refused() {
    let vault = Vault::with("token", "x").build().trusted();
    let old = vault.beside("old");
    tree::copy(&vault.path(), &old);
    assert_eq!(change(&vault).status, Some(0));
    fs::remove_dir_all(vault.path()).expect("a vault to remove");
    tree::copy(&old, &vault.path());
    let older = "the vault is older than the one you last saw: serial 1 after 2";
    verify(&vault).exits(1).explains_once(older);
    let told = report(&verify(&vault).arg("--json").exits(1));
    assert!(told["problems"][0].as_str().is_some_and(|problem| problem.contains(older)), "{told}");
    // It is sound in itself, for whoever looks at it in a backup.
    vaultgen().args(["verify", "--vault"]).arg(vault.path()).succeeds();
    expect_refusal(&vault, older);

    // Whoever threw the newer state away says so, and is asked anew.
    let refused = change(&vault);
    let mut words = refused.errors.split_whitespace().map(|word| word.trim_end_matches(':'));
    let memory = words.find(|word| word.ends_with(".toml")).expect("the path of the memory");
    fs::remove_file(memory).expect("a memory to remove");
    expect_refusal(&vault, "was never used here before");
    assert_eq!(change(&vault.trusted()).status, Some(0));
}

#[test]
fn a_state_of_another_branch_is_refused() {
    let vault = Vault::with("token", "x").build().trusted();
    let branch = vault.beside("branch");
    tree::copy(&vault.path(), &branch);
    vaultgen().args(["rekey", "--batch", "--vault"]).arg(&branch).succeeds();
    // A thread has an operator of its own, who knows nothing of the branch.
    let vault = thread::scope(|scope| {
        let other_operator = scope.spawn(move || {
            let vault = vault.trusted();
            assert_eq!(change(&vault).status, Some(0));
            vault
        });
        other_operator.join().expect("a second state of the same serial")
    });
    expect_refusal(&vault, "does not descend from the state you last saw");
}
