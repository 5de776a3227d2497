//! The habits of Odoo Box users: no verb at all, and removing what is to be made anew.

use std::{collections::BTreeMap, fs, path::PathBuf};

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree::{self, contents},
    vault::Vault,
};
use vault_format::{Lock, Plaintext, password};

const NEEDS: [Need; 3] = [Program("age"), Program("age-keygen"), Program("ssh-keygen")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// Removes what a shell would by this pattern, which ends in `*`.
fn rm(vault: &Vault, pattern: &str) {
    let (folder, start) = pattern.trim_end_matches('*').rsplit_once('/').expect("a folder");
    let mut removed = 0;
    for entry in fs::read_dir(vault.path().join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_name().to_str().expect("text").starts_with(start) {
            fs::remove_file(entry.path()).expect("a file to remove");
            removed += 1;
        }
    }
    assert!(removed > 0, "{pattern}");
}

/// Which files differ, or came or went.
fn changed(before: &BTreeMap<PathBuf, (u32, Vec<u8>)>, vault: &Vault) -> Vec<String> {
    let after = contents(&vault.path());
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    let mut paths: Vec<_> = paths
        .filter(|path| before.get(*path) != after.get(*path) && !path.ends_with(".git"))
        .map(|path| path.display().to_string())
        .collect();
    paths.sort();
    paths
}

fn lock(vault: &Vault) -> Lock {
    Lock::parse(&fs::read_to_string(vault.path().join("vault.lock")).expect("a lock")).expect("a whole lock")
}

#[test]
fn without_a_verb_it_does_what_init_does() {
    let folder = tree::folder();
    let bare = || vaultgen().in_folder(folder.path());
    bare().arg("--batch").succeeds().says("vault: 17 secrets, serial 1");
    bare().arg("verify").succeeds();
    bare().succeeds().says("nothing to do: the vault is complete");
    vaultgen().arg("--help").succeeds().says("adopt");
}

#[test]
fn what_was_removed_is_made_anew_and_nothing_else() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["machine", "add", "devm"]).succeeds();
    let (before, old) = (contents(&vault.path()), vault.open("passwords/admin.txt"));
    let created = lock(&vault).secrets[&"passwords/admin.txt".parse().expect("a name")].created;
    rm(&vault, "passwords/admin.*");
    let ended = on(&vault, &["--batch"]).succeeds();
    ended.says("files of these secrets are gone; nobody signed that:").says("  passwords/admin.yesc");
    assert_eq!(
        changed(&before, &vault),
        [
            "passwords/admin.sha512.age",
            "passwords/admin.txt.age",
            "passwords/admin.yesc.age",
            "vault.lock",
            "vault.lock.sig"
        ]
    );
    on(&vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    let new = vault.open("passwords/admin.txt");
    assert_ne!(new, old);
    let hash = Plaintext::from(vault.open("passwords/admin.yesc"));
    assert_eq!(password::is_hash_of(&hash, &Plaintext::from(new)), Some(true));
    let lock = lock(&vault);
    let secret = &lock.secrets[&"passwords/admin.txt".parse().expect("a name")];
    assert!(secret.created == created && secret.rotated > created);
    // Whoever was granted the secret still is.
    let machine = vault.path().join("machines/devm.key");
    for (secret, opens) in [("admin.yesc", true), ("admin.txt", false)] {
        let age = program("age").args(["-d", "-i"]).arg(&machine);
        let age = age.arg(vault.path().join(format!("passwords/{secret}.age"))).run();
        assert_eq!(age.status == Some(0), opens, "{secret}: {age}");
    }
}

#[test]
fn a_hash_alone_is_made_of_the_password_that_is_there() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let before = contents(&vault.path());
    rm(&vault, "passwords/root.ye*");
    on(&vault, &["--batch"]).succeeds();
    assert_eq!(changed(&before, &vault), ["passwords/root.yesc.age", "vault.lock", "vault.lock.sig"]);
    on(&vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
}

#[test]
fn certificates_and_the_ssh_identity_are_made_anew_too() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    for (pattern, files) in [
        ("certs/localhost-key*", &["certs/localhost-cert.pem.age", "certs/localhost-key.pem.age"][..]),
        (
            "certs/vault-ca*",
            &[
                "certs/localhost-cert.pem.age",
                "certs/localhost-key.pem.age",
                "certs/vault-ca-cert.pem.age",
                "certs/vault-ca-key.pem.age",
            ],
        ),
        ("ssh/id_ed25519*", &["ssh/id_ed25519.age", "ssh/id_ed25519.pub"]),
    ] {
        let before = contents(&vault.path());
        rm(&vault, pattern);
        on(&vault, &["init", "--batch"]).succeeds();
        let mut expected: Vec<&str> = files.to_vec();
        expected.extend(["vault.lock", "vault.lock.sig"]);
        assert_eq!(changed(&before, &vault), expected, "{pattern}");
        on(&vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    }
}

#[test]
fn whoever_is_at_the_terminal_is_asked() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = Vault::standard();
    rm(&vault, "passwords/admin.*");
    let before = contents(&vault.path());
    on(&vault, &[]).under(["setsid"]).exits(1).explains("there is no terminal to ask on");
    let mut operator = Operator::starts(on(&vault, &["--quiet"]));
    operator.reads("passwords/admin.txt").reads("Give them new values, and sign? [y/N] ").types("");
    let (status, screen) = operator.ends();
    assert_eq!(status, 1, "{screen}");
    assert!(screen.contains("nothing was changed"), "{screen}");
    assert_eq!(changed(&before, &vault), Vec::<String>::new());

    let mut operator = Operator::starts(on(&vault, &[]));
    operator.reads("Give them new values, and sign? [y/N] ").types("y");
    operator.reads("Password for admin (empty: generate one): ").types("quartz-Lemon3-harbour-fjord");
    operator.reads("The same again for admin: ").types("quartz-Lemon3-harbour-fjord");
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");
    assert_eq!(vault.open_text("passwords/admin.txt"), "quartz-Lemon3-harbour-fjord");
}

/// A removal is the one difference that is made good; beside any other it is a reason to refuse.
#[test]
fn nothing_else_is_laundered_with_it() {
    if !machine::has(&NEEDS) {
        return;
    }
    type Tampering = (fn(&Vault), &'static str);
    let tamperings: [Tampering; 5] = [
        (|vault| vault.damage("passwords/root.txt.age"), "passwords/root.txt.age is not what was signed"),
        (|vault| vault.damage(".gitignore"), ".gitignore is not what was signed"),
        (
            |vault| fs::write(vault.path().join("extra.age"), "x").expect("a file"),
            "extra.age is not in the lock",
        ),
        (|vault| rm(vault, "ssh/id_ed25519.pub*"), "ssh/id_ed25519.pub: there is no such file"),
        (|vault| vault.sign_with_new_key(), "none of the trusted signers"),
    ];
    for (tamper, error) in tamperings {
        let vault = Vault::standard();
        rm(&vault, "passwords/admin.*");
        tamper(&vault);
        let before = contents(&vault.path());
        on(&vault, &["--batch"]).exits(1).explains(error);
        assert_eq!(changed(&before, &vault), Vec::<String>::new(), "{error}");
    }
    // Nor is a secret that nobody but its owner can make.
    let vault = Vault::with("token", "x").build().trusted();
    fs::remove_file(vault.path().join("token.age")).expect("a file");
    on(&vault, &["--batch"]).exits(1).explains("token.age: there is no such file");
    // Nor what comes from an older state than the one seen.
    let vault = Vault::standard();
    let older = vault.beside("older");
    tree::copy(&vault.path(), &older);
    on(&vault, &["rekey", "--secret", "passwords/root.txt"]).succeeds();
    for file in ["vault.lock", "vault.lock.sig", "passwords/root.txt.age"] {
        fs::copy(older.join(file), vault.path().join(file)).expect("the older file");
    }
    rm(&vault, "passwords/admin.*");
    on(&vault, &["--batch"]).exits(1).explains("the vault is older than the one you last saw");
}

#[test]
fn another_identity_in_the_place_of_the_old_one_is_noticed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let old = vault.beside("old.key");
    fs::rename(vault.identity(), &old).expect("a key to move");
    program("age-keygen").arg("-o").arg(vault.identity()).succeeds();
    let public = program("age-keygen").arg("-y").arg(vault.identity()).succeeds().text();
    let refused = on(&vault, &["--batch"]).exits(1);
    refused.explains("the vault is encrypted to other keys than this identity");
    // What it says to do helps.
    refused.says(&format!("vaultgen recipients add ops {} --identity OLD-FILE", public.trim_end()));
    on(&vault, &["recipients", "add", "ops", public.trim_end(), "--identity"]).arg(&old).succeeds();
    on(&vault, &["--batch"]).succeeds().says("nothing to do");
    assert!(!vault.open("passwords/root.txt").is_empty());
}
