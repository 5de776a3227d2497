//! "Who could read the production TLS key in March, who allowed it, and is that still so?"

use fixtures::{
    command::{program, vaultgen},
    machine,
    vault::Vault,
};
use serde_json::Value;
use vault_format::{Digest, LOCK_FILE};

use super::{
    NEEDS,
    scene::{Repository, sign_next},
};

pub const KEY: &str = "certs/shop.example.org-key.pem";

/// A vault whose key Bob could read in March.
pub fn repository() -> Repository {
    let repository = Repository::new();
    repository.vaultgen(&["init", "--batch", "--bare"]);
    repository.vaultgen(&["certs", "shop.example.org"]);
    repository.vaultgen(&["machine", "add", "web-1", "--profile", "none"]);
    repository.vaultgen(&["grant", KEY, "web-1"]);
    commit(&repository, "2026-01-10", "a vault");
    let identity = program("age-keygen").succeeds().text();
    let public = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key");
    repository.vaultgen(&["recipients", "add", "bob", public]);
    repository.vaultgen(&["grant", KEY, "bob"]);
    commit(&repository, "2026-02-20", "bob helps out");
    repository.vaultgen(&["revoke", KEY, "bob"]);
    commit(&repository, "2026-04-02", "thanks, bob");
    repository
}

/// Without the keys, which Git ignores.
pub fn commit(repository: &Repository, day: &str, message: &str) {
    super::scene::git(repository.path(), day).args(["add", "-A"]).succeeds();
    super::scene::git(repository.path(), day).args(["commit", "-q", "-m", message]).succeeds();
}

#[test]
fn who_could_read_the_key_in_march_and_is_that_still_so() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let clone = fixtures::tree::folder();
    program("git")
        .args(["clone", "-q", "--bare"])
        .arg(repository.path())
        .arg(clone.path().join("bare"))
        .succeeds();
    let ask = |at: &str| {
        let ask = vaultgen()
            .in_folder(clone.path().join("bare"))
            .args(["audit", "--json", "--secret", KEY, "--at", at]);
        let report: serde_json::Value = serde_json::from_slice(&ask.succeeds().output).expect("JSON");
        report["vaults"][0]["access"].clone()
    };
    let march = ask("2026-03");
    let readers = march["readers"].as_array().expect("readers");
    let of = |name: &str| readers.iter().find(|reader| reader["names"][0] == name).expect(name);
    assert_eq!(readers.len(), 3, "{march:#}");
    assert_eq!(of("ops")["since"]["at"], "2026-01-10T12:00:00Z");
    assert_eq!(
        (&of("bob")["since"]["at"], &of("bob")["until"]["at"]),
        (&"2026-02-20T12:00:00Z".into(), &"2026-04-02T12:00:00Z".into())
    );
    assert_eq!(
        (&of("bob")["since"]["signer"], &of("bob")["since"]["committer"]),
        (&"operator".into(), &"Olivia Operator".into())
    );
    // Taken out, and with the value all the same: it was not changed.
    assert_eq!((&of("bob")["still"], &of("bob")["knows_present_value"]), (&false.into(), &true.into()));
    assert_eq!(
        (&of("web-1")["still"], march["served"][0]["machine"].as_str()),
        (&true.into(), Some("web-1"))
    );
    let names = |access: serde_json::Value| -> Vec<String> {
        let readers = access["readers"].as_array().expect("readers").clone();
        readers.iter().map(|reader| reader["names"][0].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert!(
        !names(ask("2026-01")).contains(&"bob".to_owned())
            && !names(ask("2026-04-03")).contains(&"bob".to_owned())
    );

    repository.vaultgen(&["certs", "shop.example.org"]);
    commit(&repository, "2026-04-03", "a new key");
    let told = repository.audit(&["--secret", KEY, "--at", "2026-03"]).succeeds();
    told.says("bob").says("the value was changed since").says("2026-03 (by the dates of Git's commits");
}

#[test]
fn a_secret_that_was_taken_out_has_no_present_value() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    repository.vaultgen(&["remove", "--yes", "certs/shop.example.org-cert.pem", KEY]);
    commit(&repository, "2026-04-05", "the shop is closed");
    let access = repository.report(&["--secret", KEY])["vaults"][0]["access"].clone();
    let readers = access["readers"].as_array().expect("readers");
    let knows = |reader: &Value| reader["knows_present_value"] == true || reader["still"] == true;
    assert!(access["present"] == false && !readers.iter().any(knows), "{access:#}");
    let told = repository.audit(&["--secret", KEY]).succeeds();
    told.says("; the secret was taken out since").says("  it was taken out since; who knows its last value");
    told.tells_nothing_of("the value was changed since");
}

#[test]
fn whoever_could_read_it_on_a_side_branch_is_told_too() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let git =
        |arguments: &[&str]| super::scene::git(repository.path(), "2026-04-12").args(arguments).succeeds();
    let public = program("age-keygen").succeeds().text();
    let public = public.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key");
    git(&["checkout", "-q", "-b", "side"]);
    repository.vaultgen(&["recipients", "add", "eve", public]);
    repository.vaultgen(&["grant", KEY, "eve"]);
    commit(&repository, "2026-04-10", "for a day");
    repository.vaultgen(&["revoke", KEY, "eve"]);
    commit(&repository, "2026-04-11", "and no more");
    git(&["checkout", "-q", "main"]);
    git(&["merge", "-q", "--no-ff", "-m", "a side branch", "side"]);
    let access = repository.report(&["HEAD", "--secret", KEY])["vaults"][0]["access"].clone();
    let readers = access["readers"].as_array().expect("readers");
    let aside: Vec<&Value> = readers.iter().filter(|reader| reader["side_branch"] == true).collect();
    assert_eq!(aside.len(), 1, "{access:#}");
    assert_eq!(
        (&aside[0]["names"][0], &aside[0]["still"], &aside[0]["knows_present_value"]),
        (&"eve".into(), &false.into(), &true.into())
    );
    assert_eq!(
        (&aside[0]["since"]["at"], &aside[0]["until"]["at"]),
        (&"2026-04-10T12:00:00Z".into(), &"2026-04-11T12:00:00Z".into())
    );
    let told = repository.audit(&["HEAD", "--secret", KEY]).succeeds();
    told.says(" until 2026-04-11 (signed by operator, committed by Olivia Operator in ");
    told.says(") on a side branch; knows the present value all the same");
    let asked = |at: &str| repository.audit(&["HEAD", "--secret", KEY, "--at", at]).succeeds();
    asked("2026-03").tells_nothing_of("  eve [");
    asked("2026-04").says("  eve [");
    asked("2026-04-12").tells_nothing_of("  eve [");
}

/// Whoever was never taken out on the branch is so by the merge that leaves it behind.
#[test]
fn a_side_branch_ends_with_the_last_of_its_lines() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let git =
        |day: &str, arguments: &[&str]| super::scene::git(repository.path(), day).args(arguments).succeeds();
    let public = program("age-keygen").succeeds().text();
    let public = public.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key");
    git("2026-04-09", &["checkout", "-q", "-b", "side"]);
    repository.vaultgen(&["recipients", "add", "eve", public]);
    repository.vaultgen(&["grant", KEY, "eve"]);
    commit(&repository, "2026-04-10", "for a day");
    git("2026-04-10", &["checkout", "-q", "-b", "other"]);
    git("2026-04-11", &["commit", "-q", "--allow-empty", "-m", "goes on"]);
    git("2026-04-10", &["checkout", "-q", "side"]);
    repository.vaultgen(&["revoke", KEY, "eve"]);
    commit(&repository, "2026-04-12", "and no more");
    git("2026-04-12", &["checkout", "-q", "main"]);
    let merge =
        |day: &str, branch: &str| git(day, &["merge", "-q", "-s", "ours", "-m", "left behind", branch]);
    merge("2026-04-14", "other");
    let until = || {
        let access = repository.report(&["HEAD", "--secret", KEY])["vaults"][0]["access"].clone();
        let readers = access["readers"].as_array().expect("readers").clone();
        let aside: Vec<&Value> = readers.iter().filter(|reader| reader["side_branch"] == true).collect();
        assert_eq!((aside.len(), &aside[0]["names"][0]), (1, &"eve".into()), "{access:#}");
        aside[0]["until"]["at"].clone()
    };
    assert_eq!(until(), "2026-04-14T12:00:00Z");
    // The other line took her out earlier.
    merge("2026-04-15", "side");
    assert_eq!(until(), "2026-04-14T12:00:00Z");
}

#[test]
fn each_step_says_what_changed_and_who_signed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let report = repository.report(&["HEAD~2..HEAD"]);
    let history = report["vaults"][0]["history"].as_array().expect("a history");
    let changes = |step: usize| -> Vec<&str> {
        let changes = history[step]["changes"].as_array().expect("changes");
        changes.iter().filter_map(|change| change["what"].as_str()).collect()
    };
    assert_eq!(changes(0), ["gained", "reader-added"]);
    assert_eq!(changes(1), ["lost"]);
    assert_eq!((&history[0]["follows"], &history[0]["signed_by_committer"]), (&true.into(), &true.into()));
    assert_eq!((&history[0]["verdict"], &history[0]["main_line"]), (&"sound".into(), &true.into()));
    // What is only in the work tree is told too.
    repository.vaultgen(&["rotate", "--batch", "certs/shop.example.org-cert.pem"]);
    let report = repository.report(&[]);
    let last =
        report["vaults"][0]["history"].as_array().and_then(|history| history.last()).expect("a step").clone();
    assert!(last["commit"].is_null() && last["changes"][0]["what"] == "rotated", "{last:#}");
}

#[test]
fn branches_that_are_joined_are_no_fork() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("a", "1").build());
    let (folder, keys) = (repository.join("vault"), vault.path());
    repository.put(&vault, "vault");
    repository.commit("2026-01-01", "a vault");
    let change = |day: &str| {
        sign_next(&folder, &keys, |lock| {
            let moment = format!("{day}T00:00:00Z").parse().expect("a moment");
            lock.secrets.values_mut().for_each(|secret| secret.rotated = moment);
        });
        repository.commit(day, "a new value");
        Digest::of(&std::fs::read(folder.join(LOCK_FILE)).expect("a lock"))
    };
    repository.git(&["checkout", "-q", "-b", "side"]).succeeds();
    let theirs = change("2026-02-01");
    repository.git(&["checkout", "-q", "main"]).succeeds();
    change("2026-02-02");
    repository.git(&["merge", "-q", "-s", "ours", "--no-commit", "side"]).succeeds();
    sign_next(&folder, &keys, |lock| lock.ancestors.push(theirs));
    repository.commit("2026-02-03", "both");
    let faults = |revision: &str| -> Vec<String> {
        let found = repository.findings(&[revision]).into_iter();
        found
            .filter(|line| ["fork", "predecessor", "serial"].iter().any(|word| line.contains(word)))
            .collect()
    };
    assert_eq!(faults("HEAD"), [""; 0]);

    // Taking one side only leaves the other one's state out of the ancestors.
    repository.git(&["checkout", "-q", "-b", "lost", "HEAD~1"]).succeeds();
    repository.git(&["merge", "-q", "-s", "ours", "-m", "ours", "side"]).succeeds();
    assert_eq!(faults("HEAD"), ["high fork vault/vault.lock - commit"]);
}
