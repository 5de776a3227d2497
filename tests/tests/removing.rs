//! Secrets that go: from policy, lock and folder, unless something needs them.

use std::fs;

use fixtures::{
    command::{Ended, Run, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree::contents,
    vault::Vault,
};

const NEEDS: [Need; 1] = [Program("age")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// A password with its hash, a secret that a view and a template show, and one that nothing needs.
fn needed() -> Vault {
    Vault::with("passwords/root.txt", "one")
        .of_kind("password")
        .and("passwords/root.yesc", "two")
        .policy("from = \"passwords/root.txt\"")
        .and("further", "three")
        .policy("from = \"passwords/root.yesc\"")
        .and("shown", "four")
        .and("free", "five")
        .policy("description = \"ours\" # a comment\n\n# after it")
        .policy("[view.\"here/too\"]\nof = \"shown\"\n[template.\"odoo.conf\"]\nsource = \"templates/odoo\"\naudience = [\"ops\"]")
        .public_file("templates/odoo", "key = {{ secret(\"shown\") | ini }}\n")
        .build()
        .trusted()
}

#[track_caller]
fn expect_refused(vault: &Vault, run: Run, error: &str) -> Ended {
    let before = contents(&vault.path());
    let ended = run.exits(1);
    ended.explains_once(error);
    assert!(contents(&vault.path()) == before, "something was changed: {ended}");
    ended
}

#[track_caller]
fn expect_sound(vault: &Vault) {
    let opened = on(vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    opened.says(&format!("opened: {} secret", vault.names().len()));
    assert!(!opened.text().contains("warning"), "{opened}");
}

#[test]
fn a_secret_goes_with_its_table_and_nothing_else() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = needed();
    on(&vault, &["remove", "--yes", "free"]).succeeds().says("removed: free").says("older states");
    assert!(!vault.path().join("free.age").exists());
    assert!(!vault.names().contains(&"free".to_owned()));
    let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
    assert!(!policy.contains("secret.\"free\"") && policy.contains("[view.\"here/too\"]"), "{policy}");
    expect_sound(&vault);
    expect_refused(&vault, on(&vault, &["remove", "--yes", "free"]), "there is no secret free");
}

#[test]
fn what_something_needs_stays() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = needed();
    let refused = expect_refused(&vault, on(&vault, &["remove", "--yes", "shown"]), "shown is needed by");
    refused.says("the view here/too, the template odoo.conf");
    let run = on(&vault, &["remove", "--yes", "free", "passwords/root.txt"]);
    expect_refused(&vault, run, "needed by the derived secret passwords/root.yesc").says("--with-derived");
    let run = on(&vault, &["remove", "--yes", "passwords/root.txt", "passwords/root.yesc"]);
    expect_refused(&vault, run, "passwords/root.yesc is needed by the derived secret further");
    on(&vault, &["remove", "--yes", "--with-derived", "passwords/root.txt"]).succeeds();
    assert_eq!(vault.names(), ["free", "shown"]);
    expect_sound(&vault);
}

#[test]
fn the_public_half_of_an_ssh_key_goes_too() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    on(&vault, &["remove", "--yes", "ssh/id_ed25519"]).succeeds();
    assert!(!vault.path().join("ssh/id_ed25519.pub").exists());
    expect_sound(&vault);
}

#[test]
fn somebody_must_say_yes() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = needed();
    expect_refused(&vault, on(&vault, &["remove", "--batch", "free"]), "nobody said yes");
    for (answer, goes) in [("", false), ("n", false), ("y", true)] {
        let mut operator = Operator::starts(on(&vault, &["remove", "--quiet", "free"]));
        operator.reads("goes: free").reads("Remove for good? [y/N] ").types(answer);
        let (status, screen) = operator.ends();
        assert_eq!(status, i32::from(!goes), "{screen}");
        assert_eq!(vault.path().join("free.age").exists(), !goes);
    }
    expect_sound(&vault);
}

#[test]
fn a_removal_can_be_proposed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = needed();
    on(&vault, &["remove", "--yes", "--no-sign", "free"]).succeeds().says("proposed");
    on(&vault, &["verify"]).exits(1);
    on(&vault, &["sign", "--yes"]).succeeds().says("removed secret   free");
    assert!(!vault.names().contains(&"free".to_owned()));
    expect_sound(&vault);
}
