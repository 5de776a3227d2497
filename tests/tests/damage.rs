//! A vault that is not what was signed: `verify` says so, and neither program goes on.

use std::{
    fs::{self, rename},
    os::unix::fs::symlink,
};

use fixtures::{
    command::{Ended, vaultgen},
    machine::{
        self,
        Need::{Fuse, Root},
    },
    mount::MountPoint,
    tree,
    vault::Vault,
};
use serde_json::Value;

const PLAINTEXT: &str = "the-plaintext-of-the-token";

/// What happened to the vault, and what is said of it.
struct Damage {
    name: &'static str,
    happen: fn(&Vault),
    error: &'static str,
}

const fn damage(name: &'static str, happen: fn(&Vault), error: &'static str) -> Damage {
    Damage { name, happen, error }
}

const DAMAGES: [Damage; 17] = [
    damage(
        "a flipped bit in a secret",
        |vault| vault.damage("token.age"),
        "token.age is not what was signed",
    ),
    damage(
        "a flipped bit in the policy",
        |vault| vault.damage("vault.toml"),
        "vault.toml is not what was signed",
    ),
    damage(
        "a flipped bit in the lock",
        |vault| vault.damage("vault.lock"),
        "vault.lock is not what was signed",
    ),
    damage("a flipped bit in the signature", |vault| vault.damage("vault.lock.sig"), "vault.lock"),
    damage(
        "a flipped bit in .gitignore",
        |vault| vault.damage(".gitignore"),
        ".gitignore is not what was signed",
    ),
    damage("an empty secret", |vault| write(vault, "token.age", ""), "token.age is not what was signed"),
    damage("a cut-off secret", |vault| cut(vault, "token.age"), "token.age is not what was signed"),
    damage(
        "junk after the signature",
        |vault| append(vault, "vault.lock.sig"),
        "vault.lock.sig is not a well-formed",
    ),
    damage("junk after the lock", |vault| append(vault, "vault.lock"), "vault.lock is not what was signed"),
    damage("two secrets swapped", swap, "token.age is not what was signed"),
    damage("a missing secret", |vault| remove(vault, "token.age"), "token.age: there is no such file"),
    damage("a missing policy", |vault| remove(vault, "vault.toml"), "vault.toml"),
    damage(
        "a missing signature",
        |vault| remove(vault, "vault.lock.sig"),
        "vault.lock.sig: there is no such file",
    ),
    damage("a missing lock", |vault| remove(vault, "vault.lock"), "vault.lock: there is no such file"),
    damage("an extra secret", |vault| write(vault, "extra.age", "x"), "extra.age is not in the lock"),
    damage("a link in place of a secret", link, "token.age"),
    damage("a link to elsewhere", symlink_to_etc, "link is a symbolic link or a special file"),
];

fn write(vault: &Vault, file: &str, text: &str) {
    fs::write(vault.path().join(file), text).expect("a file");
}

fn cut(vault: &Vault, file: &str) {
    let bytes = fs::read(vault.path().join(file)).expect("a file");
    fs::write(vault.path().join(file), &bytes[..bytes.len() - 1]).expect("a file");
}

fn append(vault: &Vault, file: &str) {
    let mut bytes = fs::read(vault.path().join(file)).expect("a file");
    bytes.push(b'\n');
    fs::write(vault.path().join(file), bytes).expect("a file");
}

fn remove(vault: &Vault, file: &str) {
    fs::remove_file(vault.path().join(file)).expect("a file to remove");
}

fn swap(vault: &Vault) {
    let (token, other, third) =
        (vault.path().join("token.age"), vault.path().join("other.age"), vault.beside("third"));
    rename(&token, &third).and_then(|()| rename(&other, &token)).expect("a swap");
    rename(&third, &other).expect("a swap");
}

fn link(vault: &Vault) {
    let (token, away) = (vault.path().join("token.age"), vault.beside("token.age"));
    rename(&token, &away).and_then(|()| symlink(&away, &token)).expect("a link");
}

fn symlink_to_etc(vault: &Vault) {
    symlink("/etc", vault.path().join("link")).expect("a link");
}

fn whole() -> Vault {
    Vault::with("token", PLAINTEXT).and("other", "another plaintext").build().trusted()
}

fn expect_refusal(refused: &Ended, damage: &Damage) {
    assert_eq!(refused.status, Some(1), "{}: {refused}", damage.name);
    refused.explains(damage.error).tells_nothing_of(PLAINTEXT);
}

#[test]
fn verify_names_the_damage() {
    for damage in DAMAGES {
        let vault = whole();
        vaultgen().args(["verify", "--vault"]).arg(vault.path()).succeeds();
        (damage.happen)(&vault);
        let before = tree::snapshot(&vault.path());
        expect_refusal(&vaultgen().args(["verify", "--vault"]).arg(vault.path()).run(), &damage);
        let json = vaultgen().args(["verify", "--json", "--vault"]).arg(vault.path()).run();
        assert_eq!(json.status, Some(1), "{}: {json}", damage.name);
        assert!(tree::snapshot(&vault.path()) == before, "{}: verify changed something", damage.name);
    }
}

#[test]
fn verify_tells_machines_the_same() {
    let vault = whole();
    let verify = || vaultgen().args(["verify", "--json", "--vault"]).arg(vault.path());
    let report = |ended: &Ended| serde_json::from_slice::<Value>(&ended.output).expect("JSON");
    let sound = report(&verify().succeeds());
    assert_eq!((&sound["sound"], &sound["state"]["secrets"]), (&Value::Bool(true), &Value::from(2)));
    // The list of signers lay beside the vault, so it proves little; with one from outside it is proof.
    assert_eq!(sound["signer_authenticated"], false);
    let outside = report(&verify().arg("--allowed-signers").arg(vault.signers()).succeeds());
    assert_eq!(outside["signer_authenticated"], true);

    vault.damage("token.age");
    let broken = report(&verify().exits(1));
    assert_eq!(broken["sound"], false);
    let problem = broken["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("token.age is not what was signed"), "{problem}");
}

#[test]
fn show_and_init_do_not_go_on() {
    for damage in DAMAGES {
        let vault = whole();
        (damage.happen)(&vault);
        let before = tree::snapshot(&vault.path());
        for verb in [&["show", "token"][..], &["init", "--batch"]] {
            let refused = vaultgen().args(verb).arg("--vault").arg(vault.path()).run();
            assert_eq!(refused.status, Some(1), "{}: {refused}", damage.name);
            assert!(refused.output.is_empty(), "{}: {refused}", damage.name);
        }
        assert!(tree::snapshot(&vault.path()) == before, "{}: something was changed", damage.name);
    }
}

#[test]
fn vaultd_serves_nothing_of_it() {
    if !machine::has(&[Root, Fuse]) {
        return;
    }
    for damage in DAMAGES {
        let vault = whole();
        (damage.happen)(&vault);
        let place = MountPoint::new();
        expect_refusal(&place.mount(&vault).run(), &damage);
        assert!(!place.is_mounted() && place.monitors().is_empty(), "{}", damage.name);
    }
}
