//! `vaultgen status`: what is missing, known to others, due or at risk.

use std::{fs, path::Path};

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    tree,
    vault::Vault,
};
use serde_json::{Value, json};

const PEERS: [Need; 4] = [Program("age"), Program("age-keygen"), Program("openssl"), Program("ssh-keygen")];

fn on(vault: &Path, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault).args(arguments)
}

fn json_of(run: Run) -> Value {
    serde_json::from_slice(&run.succeeds().output).expect("JSON")
}

fn edit(vault: &Vault, find: &str, replace: &str) {
    let policy = vault.path().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    assert!(text.contains(find), "{find}: {text}");
    fs::write(policy, text.replace(find, replace)).expect("an edit");
    on(&vault.path(), &["sign", "--yes"]).succeeds();
}

fn recipient(identity: &Path) -> String {
    program("age-keygen").arg("-y").arg(identity).succeeds().text().trim_end().to_owned()
}

#[test]
fn a_new_vault_lacks_a_recovery_key_and_nothing_else() {
    let vault = Vault::standard();
    let status = on(&vault.path(), &["status"]).succeeds();
    let text = status.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sound: 17 secrets, serial 1"), "{status}");
    let signer = lines.next().expect("a signer");
    assert!(
        signer.starts_with("signed by operator SHA256:") && signer.ends_with(", whom you know"),
        "{status}"
    );
    assert_eq!(text.matches("\n\n").count(), 1, "one section: {status}");
    status.says("no recovery key: if every other key is lost, so is the vault:\n  vaultgen init  ");

    let status = json_of(on(&vault.path(), &["status", "--json"]));
    assert_eq!((&status["version"], &status["sound"]), (&json!(1), &json!(true)));
    assert_eq!((&status["state"]["trusted"], &status["state"]["serial"]), (&json!(true), &json!(1)));
    assert_eq!(status["recovery"], json!({ "groups": [], "left_out": [] }));
    for empty in ["missing", "exposed", "due", "costly", "unlisted", "problems"] {
        assert_eq!(status[empty], json!([]), "{empty}");
    }
    assert_eq!(status["key_files"], json!({ "tracked": [], "only_copies": [] }));
}

/// It takes neither the private keys nor a vault that was seen before, and asks nobody.
#[test]
fn a_stranger_sees_it_too() {
    let vault = Vault::standard();
    for key in ["age.key", "signing.key"] {
        fs::remove_file(vault.path().join(key)).expect("a key");
    }
    let stranger = tree::folder();
    let status = || on(&vault.path(), &["status"]).at_home(stranger.path());
    status().succeeds().says("not trusted: ").says("was never used here before");
    let status = json_of(status().arg("--json"));
    assert_eq!((&status["sound"], &status["state"]["trusted"]), (&json!(true), &json!(false)));
}

#[test]
fn an_unsound_vault_has_no_status() {
    let vault = Vault::standard();
    vault.damage("passwords/root.txt.age");
    on(&vault.path(), &["status"]).exits(1).explains_once("passwords/root.txt.age is not what was signed");
    let status = on(&vault.path(), &["status", "--json"]).exits(1);
    let status: Value = serde_json::from_slice(&status.output).expect("JSON");
    assert_eq!((&status["version"], &status["sound"]), (&json!(1), &json!(false)));
    assert_eq!(status["problems"].as_array().map(Vec::len), Some(1), "{status}");
}

#[test]
fn what_is_due_is_listed() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::with("a", "1").and("b", "2").and("c", "3").and("certs/d.pem", "4").build().trusted();
    let certificate = vault.beside("certificate");
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=d -days 10 -keyout";
    let made =
        program("openssl").args(request.split(' ')).arg(vault.beside("key")).arg("-out").arg(&certificate);
    made.succeeds();
    let encrypt = program("age").args(["-r", &recipient(&vault.identity()), "-o"]);
    encrypt.arg(vault.path().join("certs/d.pem.age")).arg(&certificate).succeeds();
    edit(&vault, "[secret.\"certs/d.pem\"]", "[secret.\"certs/d.pem\"]\nkind = \"certificate\"");
    edit(
        &vault,
        "[secret.\"a\"]",
        "[secret.\"a\"]\nrotate-after = \"1ns\"\nrotate-at = \"https://example.org/\\u001b[2J\"",
    );
    edit(&vault, "[secret.\"b\"]", "[secret.\"b\"]\nrotate-after = \"1d\"\nexpires = 2020-02-29");
    edit(
        &vault,
        "[secret.\"c\"]",
        "[secret.\"c\"]\nexpires = 2199-01-01T12:00:00Z\nrotate-after = \"1000y\"",
    );

    let status = on(&vault.path(), &["status"]).succeeds();
    let found = status.text();
    let (_, due) = found.split_once("\ndue:\n").expect("a section");
    let due: Vec<&str> = due.lines().take_while(|line| !line.is_empty()).collect();
    let expected = [("  a            to be changed since 2", 1), ("  b            expired on 2020-02-29", 1)];
    for (line, count) in expected.into_iter().chain([("  certs/d.pem  certificate ends on 2", 1)]) {
        assert_eq!(due.iter().filter(|found| found.starts_with(line)).count(), count, "{line}: {status}");
    }
    assert!(due.len() == 3 && due[0].ends_with(": https://example.org/\\u{1b}[2J"), "{status}");
    // A warning, never a failure.
    let verified = on(&vault.path(), &["verify"]).succeeds();
    verified.says("warning: a: to be changed since 2").says("warning: b: expired on 2020-02-29");
    let status = json_of(on(&vault.path(), &["status", "--json"]));
    let facts = status["due"].as_array().expect("an array").iter();
    let facts: Vec<_> = facts.map(|due| (due["what"].as_str(), due["over"].as_bool())).collect();
    let expected = [("rotation", true), ("expiry", true), ("certificate", false)];
    assert_eq!(facts, expected.map(|(what, over)| (Some(what), Some(over))), "{status}");
    assert_eq!(status["due"][1]["at"], "2020-02-29T00:00:00Z");
}

#[test]
fn who_knows_too_much_is_named() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::with("a", "1").and("b", "2").build().trusted();
    let identity = vault.beside("removed");
    program("age-keygen").arg("-o").arg(&identity).succeeds();
    let removed = recipient(&identity);
    on(&vault.path(), &["recipients", "add", "ops", &removed]).succeeds();
    on(&vault.path(), &["recipients", "remove", "ops", &removed]).succeeds();
    let rsa = vault.beside("rsa");
    program("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-f"]).arg(&rsa).succeeds();
    let rsa = fs::read_to_string(rsa.with_extension("pub")).expect("a key");
    on(&vault.path(), &["recipients", "add", "bob", rsa.trim_end()]).succeeds();
    program("age-keygen").arg("-o").arg(vault.beside("safe")).succeeds();
    let safe = recipient(&vault.beside("safe"));
    edit(
        &vault,
        "[recipients]",
        &format!("[recipients]\nsafe = {{ kind = \"recovery\", keys = [\"{safe}\"] }}"),
    );
    on(&vault.path(), &["grant", "b", "safe"]).succeeds();
    fs::write(vault.path().join("notes"), "x").expect("a file");

    let status = on(&vault.path(), &["status"]).succeeds();
    status.says(&format!(":\n  a  known to {removed}\n  b  known to {removed}\n"));
    status.says("not opened by any recovery key:\n  a\n");
    status.says("ssh-rsa keys:\n  bob  ssh-rsa ").says("ignored:\n  notes\n");
    assert!(!status.text().contains("no recovery key"), "{status}");
    let status = json_of(on(&vault.path(), &["status", "--json"]));
    assert_eq!(status["exposed"], json!([{ "key": removed, "secrets": ["a", "b"] }]));
    assert_eq!(status["recovery"], json!({ "groups": ["safe"], "left_out": ["a"] }));
    assert_eq!(status["missing"], json!([]), "it is no standard vault");
}

#[test]
fn what_a_standard_vault_lacks_is_listed() {
    let vault = Vault::standard();
    for gone in ["passwords/root.yesc.age", "certs/vault-ca-key.pem.age"] {
        fs::remove_file(vault.path().join(gone)).expect("a file");
    }
    on(&vault.path(), &["sign", "--yes"]).succeeds();
    on(&vault.path(), &["status"]).succeeds().says(":\n  certs/vault-ca-key.pem\n  passwords/root.yesc\n");
}

#[test]
fn private_keys_and_git_do_not_go_together() {
    if !machine::has(&[Program("git"), Program("env")]) {
        return;
    }
    let folder = tree::folder();
    let repository = folder.path().join("repository");
    program("git").args(["init", "-q"]).arg(&repository).succeeds();
    let vault = repository.join("vault");
    on(&vault, &["init", "--batch"]).succeeds();
    on(&vault, &["machine", "add", "web-1"]).succeeds();
    let key_files = |run: Run| json_of(run.arg("--json"))["key_files"].clone();
    let status = || on(&vault, &["status"]);
    let at_risk = json!({ "tracked": [], "only_copies": ["age.key", "signing.key"] });
    assert_eq!(key_files(status()), at_risk);
    status().succeeds().says("  age.key      its only known copy is in a Git work tree");

    // A copy that lies elsewhere is one; in the same work tree it is none.
    let away = folder.path().join("away");
    for copy in [&away, &repository.join("copy")] {
        fs::copy(vault.join("age.key"), copy).expect("a copy");
    }
    let named = |path: &Path| status().arg("--identity").arg(path);
    assert_eq!(key_files(named(&away)), json!({ "tracked": [], "only_copies": ["signing.key"] }));
    assert_eq!(key_files(named(&repository.join("copy"))), at_risk);
    fs::write(&away, "another key").expect("another key");
    assert_eq!(key_files(named(&away)), at_risk);

    fs::write(vault.join("recovery.key"), "x").expect("a file");
    for key in ["age.key", "machines/web-1.key"] {
        program("git").in_folder(&vault).args(["add", "--force", key]).succeeds();
    }
    let tracked = key_files(status());
    assert_eq!(tracked["tracked"], json!(["age.key", "machines/web-1.key"]));
    assert_eq!(tracked["recovery"], json!("recovery.key"));
    status().succeeds().says("  age.key             replace this key: it is in the repository");

    let without_git = status().under(["env", "PATH=/nonexistent"]).succeeds();
    without_git.says("not checked  git is not installed");
}
