//! What `vaultgen` builds on: only a state that descends from the one that this operator saw last.

use std::{fs, thread};

use fixtures::{
    command::{Ended, vaultgen},
    tree,
    vault::Vault,
};

/// Makes the next state of the vault.
fn change(vault: &Vault) -> Ended {
    vaultgen().args(["rekey", "--batch", "--vault"]).arg(vault.path()).run()
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
    expect_refusal(&vault, "older than the one you last saw: serial 1 after 2");
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
