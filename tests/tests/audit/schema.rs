//! What `vaultgen audit --json` prints is what docs/audit.schema.json says. Each report of these tests is held against it.

use std::{collections::BTreeSet, fs};

use fixtures::{
    command::{program, vaultgen},
    legacy::{self, LegacyVault},
    machine, tree,
    vault::Vault,
};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::{NEEDS, scene::Repository};

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.schema.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the schema")).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

/// Fails unless a report is one.
pub fn holds(report: &Value) {
    // The branches of `oneOf` say nothing of each other's faults: ask the one that is meant.
    let mut schema = schema();
    schema["oneOf"] = json!([{ "$ref": "#/$defs/report" }]);
    let report_only = jsonschema::draft202012::new(&schema).expect("a schema");
    let faults: Vec<String> =
        report_only.iter_errors(report).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(validator().is_valid(report));
}

/// Commits all that the vault does not keep out.
fn commit(repository: &Repository, message: &str) {
    repository.git(&["add", "-A"]).succeeds();
    repository.git(&["commit", "-q", "--allow-empty", "-m", message]).succeeds();
}

/// Everything that `field` is called anywhere below.
fn words(value: &Value, field: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(field).and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| words(value, field, found));
        }
        Value::Array(array) => array.iter().for_each(|value| words(value, field, found)),
        _ => {}
    }
}

/// Signs what an editor made of the policy.
fn edits(repository: &Repository, change: impl Fn(&str) -> String) {
    let policy = repository.join("vault/vault.toml");
    fs::write(&policy, change(&fs::read_to_string(&policy).expect("a policy"))).expect("a policy");
    repository.vaultgen(&["sign", "--yes"]);
    commit(repository, "vault: policy");
}

/// A repository with all kinds of changes in its history.
fn history() -> Repository {
    let repository = Repository::new();
    let does = |arguments: &[&str]| {
        repository.vaultgen(arguments);
        commit(&repository, &arguments.join(" "));
    };
    does(&["init", "--batch"]);
    does(&["machine", "add", "web-1"]);
    for key in ["bob", "carol"] {
        program("age-keygen").arg("-o").arg(repository.join(&format!(".git/{key}"))).succeeds();
    }
    let bob = program("age-keygen").arg("-y").arg(repository.join(".git/bob")).succeeds().text();
    let carol = program("age-keygen").arg("-y").arg(repository.join(".git/carol")).succeeds().text();
    does(&["recipients", "add", "bob", bob.trim()]);
    does(&["grant", "passwords/root.txt", "bob"]);
    does(&["recipients", "add", "bob", carol.trim()]);
    does(&["revoke", "passwords/root.txt", "bob"]);
    does(&["rotate", "passwords/root.txt"]);
    vaultgen().args(["add", "token"]).in_folder(repository.path()).input("the value").succeeds();
    commit(&repository, "vault: token");
    program("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(repository.join(".git/signer"))
        .succeeds();
    does(&["signers", "add", "bob", ".git/signer.pub"]);
    does(&["signers", "remove", "bob"]);
    repository.write("vault/templates/app.conf", "token = {{ secret(\"token\") }}\n");
    let with = "\n[view.\"other/token\"]\nof = \"token\"\n\n\
                [template.\"app.conf\"]\nsource = \"templates/app.conf\"\naudience = [\"ops\"]\n";
    edits(&repository, |policy| format!("{policy}{with}"));
    repository.write("vault/templates/app.conf", "the token = {{ secret(\"token\") }}\n");
    edits(&repository, |policy| policy.replace("of = \"token\"\n", "of = \"token\"\nmode = \"0440\"\n"));
    edits(&repository, |policy| policy.split("\n[view.").next().expect("a beginning").to_owned());
    does(&["remove", "token", "--yes"]);
    repository
}

#[test]
fn reports_of_every_kind_are_what_the_schema_says() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = history();
    let report = repository.report(&[]);
    let mut changes = BTreeSet::new();
    words(&report["vaults"][0]["history"], "what", &mut changes);
    for change in [
        "access",
        "added",
        "file-changed",
        "gained",
        "lost",
        "reader-added",
        "reader-keys",
        "removed",
        "rotated",
        "signer-added",
        "signer-removed",
        "template-added",
        "template-removed",
        "view-added",
        "view-removed",
    ] {
        assert!(changes.contains(change), "{change} in {changes:?}");
    }
    let range = repository.report(&["HEAD~3..HEAD"]);
    assert_eq!(range["question"]["scope"], "range");
    let year = &report["made"].as_str().expect("a moment")[..4];
    let asked = repository.report(&["--secret", "passwords/root.txt", "--at", year]);
    assert!(asked["vaults"][0]["access"]["readers"].as_array().expect("readers").len() >= 2);
    let signers = repository.report(&["HEAD", "--allowed-signers", "vault/allowed_signers"]);
    assert_eq!(signers["trust"]["from_outside"], true);
    let allow = "[[allow]]\ncode = \"no-recovery-recipient\"\nplace = \"vault/vault.toml\"\n\
                 reason = \"a test\"\nuntil = 2999-01-01\n";
    repository.write(".git/allow.toml", allow);
    let allowed = repository.report(&["--allow", ".git/allow.toml"]);
    assert_eq!(allowed["allowed"].as_array().map(Vec::len), Some(1), "{:#}", allowed["findings"]);

    // Damage, not committed.
    repository.write("vault/passwords/root.txt.age", "damage");
    assert_eq!(repository.report(&[])["vaults"][0]["verdict"], "unsound");
    commit(&repository, "damage");
    fs::remove_dir_all(repository.join("vault")).expect("a vault");
    commit(&repository, "gone");
    assert_eq!(repository.report(&["HEAD"])["vaults"][0]["verdict"], "gone");
}

#[test]
fn a_legacy_vault_is_reported_as_the_schema_says() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let repository = Repository::new();
    tree::copy(&vault.path(), &repository.join("vault"));
    commit(&repository, "vault: old");
    assert_eq!(repository.report(&[])["vaults"][0]["verdict"], "legacy");
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    if !machine::has(&NEEDS) {
        return;
    }
    let folder = tree::folder();
    let nothing = vaultgen().args(["audit", "--json"]).in_folder(folder.path()).exits(1).text();
    assert!(validator().is_valid(&serde_json::from_str(&nothing).expect("JSON")), "{nothing}");
    let repository = Repository::new();
    tree::copy(&Vault::with("token", "the value").build().path(), &repository.join("vault"));
    commit(&repository, "vault: new");
    let report = repository.report(&[]);
    let validator = validator();
    for place in [
        "",
        "/question",
        "/trust",
        "/vaults/0",
        "/vaults/0/state",
        "/vaults/0/state/secrets/0",
        "/vaults/0/history/0",
        "/vaults/0/history/0/changes/0",
        "/vaults/0/commit/author",
        "/findings/0",
        "/findings/0/place",
    ] {
        let mut wrong = report.clone();
        wrong.pointer_mut(place).expect(place)["another"] = json!(1);
        assert!(!validator.is_valid(&wrong), "{place}");
    }
    for (place, value) in [
        ("/version", json!(2)),
        ("/findings/0/code", json!("no-such-code")),
        ("/findings/0/severity", json!("worst")),
        ("/vaults/0/verdict", json!("fine")),
        ("/made", json!(1)),
    ] {
        let mut wrong = report.clone();
        *wrong.pointer_mut(place).expect(place) = value;
        assert!(!validator.is_valid(&wrong), "{place}");
    }
}

#[test]
fn every_object_of_the_schema_is_closed_and_every_code_is_in_it() {
    fn look_at(value: &Value, place: &str) {
        if let Value::Object(object) = value {
            if object.get("type").is_some_and(|kind| kind == "object") {
                assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "{place}");
            }
            object.iter().for_each(|(name, value)| look_at(value, &format!("{place}/{name}")));
        } else if let Value::Array(array) = value {
            array.iter().for_each(|value| look_at(value, place));
        }
    }
    let schema = schema();
    look_at(&schema, "");
    let codes: Vec<&str> = vault_format::audit::Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(schema["$defs"]["code"]["enum"], json!(codes));
}
