//! What was set up in a clone is undone, and nothing else.

use std::fs;

use fixtures::{machine, tree};

use super::clone::{Clone, PEERS};

const LINE: &str = "vaultgen --vault 'vault' git check || exit 1\n";

fn settings(clone: &Clone) -> String {
    clone.git(&["config", "--local", "--list"]).succeeds().text()
}

#[test]
fn uninstall_undoes_what_install_did() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let hooks = clone.0.path().join(".git/hooks");
    let hook = || fs::read_to_string(hooks.join("pre-commit")).expect("a hook");
    let (set, text) = (settings(&clone), hook());
    clone.vaultgen(&["git", "uninstall"]).succeeds().says("no longer set up in this clone");
    assert!(!settings(&clone).contains("odbox"), "{}", settings(&clone));
    assert!(!hooks.join("pre-commit").exists(), "the hook is still there");
    clone.git(&["add", "-f", "vault/age.key"]).succeeds();
    clone.commits();
    clone.vaultgen(&["git", "uninstall"]).succeeds().says("nothing was set up in this clone");
    clone.vaultgen(&["git", "install"]).succeeds();
    assert_eq!(settings(&clone), set);
    assert_eq!(hook(), text);
}

#[test]
fn what_others_changed_or_added_stays() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let hook = clone.0.path().join(".git/hooks/pre-commit");
    let text = fs::read_to_string(&hook).expect("a hook");
    fs::write(&hook, format!("{text}make check\n")).expect("a hook");
    clone.git(&["config", "diff.odbox-age.textconv", "cat"]).succeeds();
    clone.git(&["config", "--add", "merge.odbox-policy.name", "mine"]).succeeds();
    clone.vaultgen(&["git", "uninstall"]).succeeds();
    assert_eq!(fs::read_to_string(&hook).expect("a hook"), text.replace(LINE, "make check\n"));
    let left = settings(&clone);
    assert!(left.contains("diff.odbox-age.textconv=cat\nmerge.odbox-policy.name=mine\n"), "{left}");
    assert!(!left.contains("driver"), "{left}");
    clone.vaultgen(&["git", "install"]).succeeds();
    let again = fs::read_to_string(&hook).expect("a hook");
    assert!(again.contains("make check\n") && again.contains(LINE), "{again}");
}

#[test]
fn another_vault_of_the_clone_is_checked_on() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.vaultgen(&["--vault", "other", "init", "--batch", "--bare"]).succeeds();
    clone.vaultgen(&["--vault", "other", "git", "install"]).succeeds();
    let set = settings(&clone);
    clone.vaultgen(&["git", "uninstall"]).succeeds().says("another vault of this clone is still checked");
    assert_eq!(settings(&clone), set);
    let hook = clone.0.path().join(".git/hooks/pre-commit");
    let text = fs::read_to_string(&hook).expect("a hook");
    assert!(!text.contains(LINE) && text.contains("--vault 'other'"), "{text}");
    clone.vaultgen(&["--vault", "other", "git", "uninstall"]).succeeds().says("no longer set up");
    assert!(!hook.exists() && !settings(&clone).contains("odbox"));
}

#[test]
fn the_hook_of_somebody_else_is_left_to_them() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let hook = clone.0.path().join(".git/hooks/pre-commit");
    let theirs = format!("#!/bin/sh\n{LINE}make check\n");
    fs::write(&hook, &theirs).expect("a hook");
    let done = clone.vaultgen(&["git", "uninstall"]).succeeds();
    done.says("is not by vaultgen: take this line out of it: vaultgen --vault 'vault' git check || exit 1");
    assert_eq!(fs::read_to_string(&hook).expect("a hook"), theirs);
    assert!(!settings(&clone).contains("odbox"));

    // A folder of hooks for all repositories is not looked at.
    let shared = tree::folder();
    fs::write(shared.path().join("pre-commit"), format!("#!/bin/sh\n{LINE}")).expect("a hook");
    clone.git(&["config", "core.hooksPath"]).arg(shared.path()).succeeds();
    clone.vaultgen(&["git", "uninstall"]).succeeds().says("nothing was set up");
    assert!(shared.path().join("pre-commit").exists());
}
