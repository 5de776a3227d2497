//! What the terminal tells an auditor: names where there are names, and no answer where there is none.

use std::fs;

use fixtures::{command::program, machine, vault::Vault};
use serde_json::json;
use vault_format::SecretName;

use super::{
    NEEDS,
    scene::{Repository, sign_next},
    story::{KEY, commit, repository},
};

#[test]
fn a_finding_names_its_secret_and_who_knows_it() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let told = repository.audit(&["HEAD", "--html", "page.html"]).succeeds();
    let page = fs::read_to_string(repository.join("page.html")).expect("a page");
    let short = format!("bob [{}…]", &bob(&repository)[..16]);
    assert!(page.contains(&format!("<p>Known to {short}.</p>")), "{page}");
    assert!(page.contains("<dd>bob <code>age1"), "{page}");
    told.says(&format!(" ({KEY}): a removed key knows the value"));
    told.says(&format!("           known to {short}\n"));
    told.says(&format!("web-1: profile none, serves 1, decrypts 1: {KEY}\n"));
    // The authority's certificate is for no name.
    told.says("CN=odbox vault CA (p256) until ");
}

#[test]
fn the_report_says_what_it_is_about() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let id = |revision: &str| repository.git(&["rev-parse", revision]).succeeds().text().trim().to_owned();
    let (head, then) = (id("HEAD"), id("HEAD~1"));
    repository.audit(&[]).succeeds().says(&format!("about: the work tree at commit {head}, and the history"));
    let range =
        format!("about: what came in HEAD~1..HEAD, which is after commit {then} up to commit {head}\n");
    repository.audit(&["HEAD~1..HEAD"]).succeeds().says(&range);
    let march = repository.audit(&["--at", "2026-03"]).succeeds();
    march.says("findings at the end of 2026-03: ");
    march.says(&format!("; the state at the end of 2026-03 is that of commit {then}\n"));
    let asked = repository.audit(&["--at", "2026-03", "--secret", KEY]).succeeds();
    asked.says("findings of the state at the end of 2026-03, and of all commits: ");
    // The history goes on after March; the state that was asked about is older.
    repository.audit(&["--at", "2026-03", "--secret", KEY, "--html", "page.html"]).succeeds();
    let page = fs::read_to_string(repository.join("page.html")).expect("a page");
    let last = page.split("<dt>Last change ").nth(1).and_then(|rest| rest.split("</dd>").next());
    assert!(last.expect("a last change").ends_with("<dd>2026-02-20 12:00:00 UTC"), "{last:?}");
}

#[test]
fn who_allowed_it_is_held_against_the_list() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let ask = |more: &[&str]| repository.audit(&["--secret", KEY]).args(more).succeeds();
    ask(&[]).says("who could ever read ").says(", whom only this repository calls so\n");
    ask(&["--allowed-signers", "vault/allowed_signers"]).says(", who is on your list\n");
    let stranger = "mallory namespaces=\"odbox-vault\" ssh-ed25519 \
                    AAAAC3NzaC1lZDI1NTE5AAAAIKV1ZieyaApg78HFuDxnldOdKAn7wA6dlN1KPbiVog2D\n";
    repository.write("signers", stranger);
    ask(&["--allowed-signers", "signers"]).says(", who is not on your list\n");
}

#[test]
fn a_question_that_a_range_or_the_future_cannot_answer_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    for asked in [["--secret", KEY], ["--at", "2026-01"]] {
        let ended = repository.audit(&["HEAD~1..HEAD"]).args(asked).exits(1);
        ended.explains("HEAD~1..HEAD leaves out what came before");
    }
    repository.audit(&["--at", "2999"]).exits(1).explains("2999 has not begun");
    repository.audit(&["--at", "2019"]).exits(1).explains("its first one is of 2026-01-10");
}

#[test]
fn readers_are_rows_of_a_table() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let table = repository.audit(&["--csv=access", "--secret", KEY, "--at", "2026-03"]).succeeds().text();
    assert!(table.starts_with("vault,secret,names,key,since,") && table.lines().count() == 4, "{table}");
    let bob = table.lines().find(|line| line.contains(",bob,")).expect("a row");
    assert!(bob.contains(",2026-02-20T12:00:00Z,") && bob.ends_with(",operator,false,true,false"), "{bob}");
    repository.audit(&["--csv=access"]).exits(1).explains("name it with --secret NAME");
    repository.audit(&["--csv", "findings"]).exits(1).explains("--csv=findings");
    repository.audit(&["--csv", "--json"]).exits(2);
}

#[test]
fn keys_that_come_and_go_are_counted() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    repository.vaultgen(&["recipients", "remove", "bob", &bob(&repository)]);
    commit(&repository, "2026-04-05", "bob is gone");
    repository.audit(&["HEAD~1..HEAD"]).succeeds().says("keys of bob: 1 removed\n");
}

/// Bob's key, by the policy.
fn bob(repository: &Repository) -> String {
    let policy = fs::read_to_string(repository.join("vault/vault.toml")).expect("a policy");
    let key = policy.split("bob = { kind = \"person\", keys = [\"").nth(1);
    key.and_then(|rest| rest.split('"').next()).expect("a key").to_owned()
}

/// Also where all that names him came before.
#[test]
fn a_range_names_a_removed_key_as_the_last_policy_did() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let key = bob(&repository);
    repository.vaultgen(&["recipients", "remove", "bob", &key]);
    commit(&repository, "2026-04-05", "bob is gone");
    repository.vaultgen(&["password", "db/app", "--generate", "--batch"]);
    commit(&repository, "2026-04-06", "something else");
    let then = repository.git(&["rev-parse", "HEAD~2"]).succeeds().text().trim().to_owned();
    for question in [&[][..], &["HEAD"], &["HEAD~1..HEAD"]] {
        let removed = repository.report(question)["vaults"][0]["removed_keys"].clone();
        let bob = json!([{ "key": key, "names": ["bob"], "grade": "signed-claim", "commit": then }]);
        assert_eq!(removed, bob, "{question:?}");
        let told = repository.audit(question).succeeds();
        told.says(&format!("           known to bob [{}…]\n", &key[..16]));
    }
}

/// Whoever can push can call a key as they like.
#[test]
fn a_name_that_nobody_signed_is_told_as_such() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("token", "1").build());
    repository.put(&vault, "vault");
    repository.commit("2026-01-01", "a vault");
    let text = program("age-keygen").succeeds().text();
    let key = text.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a public key");
    let policy = fs::read_to_string(repository.join("vault/vault.toml")).expect("a policy");
    let call = |name: &str| {
        let line = format!("[recipients]\n{name} = {{ kind = \"person\", keys = [{key:?}] }}\n");
        repository.write("vault/vault.toml", policy.replace("[recipients]\n", &line));
    };
    let known_to = || {
        repository.write("vault/vault.toml", &policy);
        sign_next(&repository.join("vault"), &vault.path(), |lock| {
            let secret = lock.secrets.values_mut().next().expect("a secret");
            secret.exposed_to.insert(key.parse().expect("a key"));
        });
        repository.commit("2026-01-03", "known to a key");
        repository.audit(&["HEAD~1..HEAD"]).succeeds()
    };
    call("mallory");
    repository.commit("2026-01-02", "a policy that nobody signed");
    known_to().says(&format!("known to mallory [{}…] (nobody signed that name)\n", &key[..16]));
    // One that was signed is better, also if it is older.
    call("eve");
    sign_next(&repository.join("vault"), &vault.path(), |_| {});
    repository.commit("2026-01-02", "a signed policy");
    call("mallory");
    repository.commit("2026-01-02", "a policy that nobody signed");
    known_to().says(&format!("known to eve [{}…]\n", &key[..16]));
}

#[test]
fn a_secret_with_another_name_is_asked_about_under_both() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("token", "1").build());
    repository.put(&vault, "vault");
    repository.commit("2026-01-01", "a vault");
    let [old, new] = ["token", "key"].map(|name| name.parse::<SecretName>().expect("a name"));
    repository.git(&["mv", "vault/token.age", "vault/key.age"]).succeeds();
    let policy = fs::read_to_string(repository.join("vault/vault.toml")).expect("a policy");
    repository.write("vault/vault.toml", policy.replace("\"token\"", "\"key\""));
    sign_next(&repository.join("vault"), &vault.path(), |lock| {
        let secret = lock.secrets.remove(&old).expect("a secret");
        lock.secrets.insert(new, secret);
    });
    repository.commit("2026-02-01", "a better name");
    let ask = |name: &str| repository.audit(&["--secret", name]).succeeds();
    let step = repository.report(&["HEAD~1..HEAD"])["vaults"][0]["history"][0]["changes"][0].clone();
    assert_eq!((&step["what"], &step["grade"]), (&"renamed".into(), &"proved".into()));
    ask("token").says("  it was renamed to key: ask about that too\n");
    ask("key").says("  it was called token before: ask about that too\n");
}

/// `vaultgen sign` encrypts what was moved anew: only of keys is something public that tells what they are.
#[test]
fn a_key_that_was_signed_under_another_name_is_the_same_key() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    repository.vaultgen(&["password", "db/app", "--generate", "--batch"]);
    commit(&repository, "2026-04-05", "a password");
    let moves = [
        (KEY, "certs/www-key.pem"),
        ("certs/shop.example.org-cert.pem", "certs/www-cert.pem"),
        ("db/app", "db/web"),
    ];
    let mut policy = fs::read_to_string(repository.join("vault/vault.toml")).expect("a policy");
    for (from, to) in moves {
        let file = |name: &str| format!("vault/{name}.age");
        repository.git(&["mv", &file(from), &file(to)]).succeeds();
        policy = policy.replace(&format!("[secret.{from:?}]\n"), &format!("[secret.{to:?}]\n"));
    }
    repository.write("vault/vault.toml", policy);
    repository.vaultgen(&["sign", "--yes"]);
    repository.vaultgen(&["grant", "certs/www-key.pem", "bob"]);
    commit(&repository, "2026-04-06", "better names");

    let told = repository.audit(&["HEAD~1..HEAD"]).succeeds();
    told.says(&format!("renamed {KEY} to certs/www-key.pem, by its public key\n"))
        .says("renamed certs/shop.example.org-cert.pem to certs/www-cert.pem, by its public key\n")
        // Who gains by it is told all the same.
        .says("      bob can decrypt certs/www-key.pem now\n")
        .says("added db/web for ")
        .says("removed db/app\n");
    let report = repository.report(&["HEAD~1..HEAD"]);
    let changes = report["vaults"][0]["history"][0]["changes"].as_array().expect("changes").clone();
    let renames = changes.iter().filter(|change| change["what"] == "renamed");
    assert!(renames.clone().all(|change| change["grade"] == "signed-claim"), "{changes:#?}");
    assert_eq!(renames.count(), 2);
    repository.audit(&["--secret", KEY]).succeeds().says("  it was renamed to certs/www-key.pem: ask about");
}

/// Another name makes nobody forget.
#[test]
fn a_secret_that_was_moved_is_known_to_whoever_knew_it() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let key = bob(&repository);
    let [from, to] = [KEY, "certs/www-key.pem"];
    repository.git(&["mv", &format!("vault/{from}.age"), &format!("vault/{to}.age")]).succeeds();
    let policy = fs::read_to_string(repository.join("vault/vault.toml")).expect("a policy");
    repository.write("vault/vault.toml", policy.replace(from, to));
    repository.vaultgen(&["sign", "--yes"]);
    commit(&repository, "2026-04-06", "a better name");
    let told = repository.audit(&["HEAD~1..HEAD"]).succeeds();
    told.says(&format!(" ({to}): a removed key knows the value"));
    told.says(&format!("known to bob [{}…]\n", &key[..16]));
}
