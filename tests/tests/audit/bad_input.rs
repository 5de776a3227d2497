//! Repositories that are broken, strange or hostile: told of, never followed, never a crash.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

use fixtures::{
    command::{program, vaultgen},
    legacy::LegacyVault,
    machine, tree,
    vault::Vault,
};

use super::{NEEDS, scene::Repository};

fn small() -> (Repository, Vault) {
    let (repository, vault) = (Repository::new(), Vault::with("a", "1").build());
    repository.put(&vault, "vault");
    repository.commit("2026-01-01", "a vault");
    (repository, vault)
}

#[test]
fn what_cannot_be_audited_is_told_in_a_sentence() {
    if !machine::has(&NEEDS) {
        return;
    }
    let nowhere = tree::folder();
    let audit = |arguments: &[&str]| vaultgen().arg("audit").args(arguments).in_folder(nowhere.path());
    audit(&[]).exits(1).explains("is in no Git repository");
    audit(&["--repository", "missing"]).exits(1).explains("is in no Git repository");
    let empty = Repository::new();
    empty.audit(&[]).exits(1).explains("there is no vault in this repository");
    let (repository, _) = small();
    repository.audit(&["missing"]).exits(1).explains("missing is no commit");
    repository.audit(&["missing..HEAD"]).exits(1).explains("missing is no commit");
    repository.audit(&["HEAD...HEAD"]).exits(1).explains("three dots");
    repository.audit(&["--vault", "elsewhere"]).exits(1).explains("there is no vault at \"elsewhere\"");
    repository.audit(&["--secret", "missing"]).exits(1).explains("ever had the secret missing");
    repository.audit(&["--at", "2019"]).exits(1).explains("no commit as old as 2019");
    repository.audit(&["--at", "March"]).exits(2).says("");
    repository.audit(&["--allowed-signers", "missing"]).exits(1).explains("missing");
    repository.audit(&["--allow", "missing"]).exits(1).explains("missing");
    // Names that could be options or orders to the terminal are names.
    repository.audit(&["\u{1b}[2J"]).exits(1).tells_nothing_of("\u{1b}");
}

#[test]
fn bare_shallow_and_nested_repositories() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = small();
    repository.put(&vault, "deep/down/vault");
    repository.commit("2026-02-01", "another one");
    let clones = tree::folder();
    let url = format!("file://{}", repository.path().display());
    program("git").args(["clone", "-q", "--bare", &url, "bare"]).in_folder(clones.path()).succeeds();
    program("git").args(["clone", "-q", "--depth", "1", &url, "shallow"]).in_folder(clones.path()).succeeds();
    let audit = |folder: &str, arguments: &[&str]| {
        vaultgen().arg("audit").args(arguments).in_folder(clones.path().join(folder)).succeeds()
    };
    audit("bare", &[]).says("vault deep/down/vault: sound").says("vault vault: sound");
    audit("bare", &["--vault", "deep/down/vault"])
        .says("vault deep/down/vault: sound")
        .tells_nothing_of("vault vault:");
    audit("shallow", &[]).says("history-incomplete").says("vault vault: sound");
    audit("shallow/deep", &["--vault", "down/vault"]).says("vault deep/down/vault: sound");

    // A submodule is another repository: neither entered nor a reason to stop.
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"];
    repository.git(&add).succeeds();
    repository.git(&["commit", "-q", "-m", "a submodule"]).succeeds();
    repository.audit(&["HEAD"]).succeeds().tells_nothing_of("vault sub/");
}

#[test]
fn a_vault_at_the_top() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("a", "1").build());
    repository.put(&vault, "top");
    let git = || super::scene::git(&repository.join("top"), "2026-01-01");
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "a vault"]] {
        git().args(arguments).succeeds();
    }
    let audit = |arguments: &[&str]| {
        vaultgen().arg("audit").args(arguments).in_folder(repository.join("top")).succeeds()
    };
    audit(&["HEAD"]).says("vault .: sound");
    audit(&["--vault", "."]).says("vault .: sound");
}

#[test]
fn hostile_names_and_files_are_shown_and_not_followed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, _) = small();
    let key = program("age-keygen").succeeds().output;
    for name in [
        &b"not \xff utf-8"[..],
        b"esc \x1b[2J",
        b"<script>alert(1)</script>",
        b"line\nbreak",
        "rtl \u{202e}".as_bytes(),
    ] {
        fs::write(repository.path().join(OsStr::from_bytes(&name.replace_slash())), &key).expect("a file");
    }
    fs::write(repository.join("vault/junk.age"), [0, 159, 146, 150]).expect("junk");
    symlink("/etc/shadow", repository.join("vault/link")).expect("a link");
    symlink("/", repository.join("root")).expect("a link");
    repository.commit("2026-02-01", "\u{1b}]0;title\u{7} \u{202e}message");
    for arguments in [&["HEAD"][..], &[], &["HEAD", "--json"], &["HEAD", "--csv=findings"]] {
        let told = repository.audit(arguments).succeeds();
        let text = String::from_utf8_lossy(&told.output).into_owned();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(!text.contains("daemon:"), "what a link leads to was read");
        assert!(text.matches("plaintext-age-identity").count() >= 5, "{text}");
    }
    let found = repository.findings(&["HEAD"]);
    assert!(found.iter().any(|line| line.contains("not-a-plain-file vault/link")), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("unsigned-file vault/junk.age")), "{found:#?}");
}

/// A name of one file has no slash.
trait ReplaceSlash {
    fn replace_slash(&self) -> Vec<u8>;
}

impl ReplaceSlash for [u8] {
    fn replace_slash(&self) -> Vec<u8> {
        self.iter().map(|byte| if *byte == b'/' { b'_' } else { *byte }).collect()
    }
}

#[test]
fn a_vault_that_was_broken_and_one_that_was_of_odoo_box() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let legacy = LegacyVault::of_ec2();
    tree::copy(&legacy.path(), &repository.join("vault"));
    repository.commit("2025-01-01", "as Odoo Box makes it");
    repository.audit(&["HEAD"]).succeeds().says("legacy-layout").says("in the layout of Odoo Box");
    fs::remove_dir_all(repository.join("vault")).expect("a folder");
    let vault = Vault::with("a", "1").build();
    repository.put(&vault, "vault");
    repository.commit("2025-02-01", "adopted");
    let good = fs::read(repository.join("vault/vault.lock")).expect("a lock");
    repository.write("vault/vault.lock", "<<<<<<< conflict");
    repository.commit("2025-03-01", "broken");
    repository.write("vault/vault.lock", good);
    repository.commit("2025-04-01", "mended");
    let found = repository.findings(&["HEAD"]);
    assert!(found.iter().any(|line| line.contains("broken-in-history")), "{found:#?}");
    repository.audit(&["HEAD"]).succeeds().says("vault vault: sound");
    fs::remove_dir_all(repository.join("vault")).expect("a folder");
    repository.commit("2025-05-01", "gone");
    repository.audit(&["HEAD"]).succeeds().says("vault vault: not there any more");
}
