//! Plaintext is not committed, wherever in the repository it is.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use fixtures::{command::program, machine, tree};

use super::clone::{Clone, PEERS};

/// A new private key in PEM.
fn key() -> Vec<u8> {
    let folder = tree::folder();
    let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", "id"]);
    keygen.in_folder(folder.path()).succeeds();
    fs::read(folder.path().join("id")).expect("a key")
}

fn identity() -> String {
    program("age-keygen").succeeds().text()
}

const MESSAGE: &str = "plaintext is about to be committed:";

#[test]
fn plaintext_is_refused_wherever_it_is() {
    if !machine::has(&[&PEERS[..], &[machine::Need::Program("ssh-keygen")]].concat()) {
        return;
    }
    let clone = Clone::new();
    let identity = identity();
    clone.stage("deploy/settings.yaml", format!("# a comment\n{identity}"));
    clone.stage("id", key());
    let refused = clone.git(&["commit", "-q", "-m", "more"]).exits(1);
    refused
        .explains_once(MESSAGE)
        .says("\n  deploy/settings.yaml:4: an age identity\n")
        .says("\n  id:1: a private key (OpenSSH)\n")
        .says("git rm --cached FILE")
        .says("--no-verify")
        .tells_nothing_of(identity.lines().last().expect("a key"));
    // What counts is what is committed: not the folder, and not what is staged beside.
    fs::write(clone.0.path().join("id"), "mended").expect("a file");
    clone.git(&["commit", "-q", "-m", "more"]).exits(1).explains_once("id:1: a private key");
    clone.stage("README", "a vault");
    clone.git(&["commit", "-q", "-m", "some", "README"]).succeeds();
    clone.git(&["rm", "-q", "-f", "--cached", "id", "deploy/settings.yaml"]).succeeds();
    // A change of a file, and one that had it before.
    clone.stage("notes", "nothing");
    clone.commits();
    clone.stage("notes", &identity);
    clone.git(&["commit", "-q", "-m", "more"]).exits(1).explains_once("notes:3: an age identity");
    clone.git(&["commit", "-q", "--no-verify", "-m", "more"]).succeeds();
    clone.stage("other", "nothing");
    clone.commits();
    clone.git(&["mv", "notes", "moved"]).succeeds();
    clone.git(&["commit", "-q", "-m", "more"]).exits(1).explains_once("moved:3: an age identity");
    clone.git(&["rm", "-q", "-f", "moved"]).succeeds();
    clone.commits();
}

#[test]
fn the_first_commit_is_searched_too() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.git(&["update-ref", "-d", "HEAD"]).succeeds();
    clone.stage("key", identity());
    clone.git(&["commit", "-q", "-m", "all"]).exits(1).explains_once("key:3: an age identity");
    clone.git(&["rm", "-q", "--cached", "key"]).succeeds();
    clone.git(&["commit", "-q", "-m", "all"]).succeeds();
}

#[test]
fn names_of_files_write_nothing_on_the_terminal() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    clone.stage("a\nerror: \u{1b}[2J", identity());
    clone.stage(OsStr::from_bytes(b"b\xff"), identity());
    let refused = clone.git(&["commit", "-q", "-m", "more"]).exits(1);
    refused.explains_once(MESSAGE).says("\n  a\\nerror: \\u{1b}[2J:3: an").says("\n  b\\xff:3: an");
}

#[test]
fn ciphertext_is_not_searched_and_huge_files_are_told() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let key = program("age-keygen").arg("-y").arg(clone.vault().join("age.key")).succeeds().text();
    let sealed = program("age").args(["-r", key.trim(), "-o"]).arg(clone.0.path().join("sealed"));
    sealed.input(identity()).succeeds();
    clone.git(&["add", "sealed"]).succeeds();
    // Longer than is searched, with a key at its end.
    let mut huge = vec![b'\n'; 1 << 26];
    huge.extend_from_slice(identity().as_bytes());
    clone.stage("huge", huge);
    let warned = clone.git(&["commit", "-q", "-m", "more"]).succeeds();
    warned.says("warning: huge was not searched for plaintext: it is longer than 64 MiB");
}

#[test]
fn a_list_lets_through_what_it_names() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let commit = || clone.git(&["commit", "-q", "-m", "more"]);
    let list = |until: &str, place: &str| {
        let fields =
            format!("code = \"plaintext-age-identity\"\nplace = \"{place}\"\nreason = \"for tests\"");
        clone.stage("ci/allow.toml", format!("[[allow]]\n{fields}\nuntil = {until}\n"));
    };
    clone.stage("tests/keys/a", identity());
    list("9999-12-31", "tests/**");
    // It is of no use before the clone names it.
    commit().exits(1).explains_once("tests/keys/a:3: an age identity");
    clone.git(&["config", "odbox.allow", "ci/allow.toml"]).succeeds();
    for (until, place) in
        [("2020-01-01", "tests/**"), ("9999-12-31", "tests/keys"), ("9999-12-31", "other/**")]
    {
        list(until, place);
        commit().exits(1).explains_once("tests/keys/a:3: an age identity");
    }
    list("soon", "tests/**");
    commit().exits(1).explains_once("ci/allow.toml:5:");
    list("9999-12-31", "tests/*");
    commit().exits(1).explains_once("no path within the repository");
    clone.git(&["config", "odbox.allow", "ci/none.toml"]).succeeds();
    commit().exits(1).explains_once("which the setting odbox.allow names");
    clone.git(&["config", "odbox.allow", "ci/allow.toml"]).succeeds();
    list("9999-12-31", "tests/keys/a");
    clone.commits();
}
