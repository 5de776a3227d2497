//! What `vaultgen audit --json` prints is what docs/audit.schema.json says.

use std::{collections::BTreeSet, fs, path::Path};

use fixtures::{
    command::{Run, program, vaultgen},
    legacy::{self, LegacyVault},
    machine::{
        self,
        Need::{self, Program},
    },
    tree,
    vault::Vault,
};
use jsonschema::Validator;
use serde_json::{Value, json};

const NEEDS: [Need; 3] = [Program("git"), Program("age-keygen"), Program("ssh-keygen")];

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.schema.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the schema")).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    vaultgen().args(arguments).in_folder(folder)
}

fn git(folder: &Path, arguments: &[&str]) {
    let git = program("git").in_folder(folder).args(["-c", "user.name=alice"]);
    git.args(["-c", "user.email=alice@example.org"]).args(arguments).succeeds();
}

fn commit(folder: &Path, message: &str) {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "--allow-empty", "-m", message]);
}

/// The report, held against the schema.
fn audit(folder: &Path, arguments: &[&str]) -> Value {
    let text = run(folder, &["audit", "--json"]).args(arguments).succeeds().text();
    let report: Value = serde_json::from_str(&text).expect("JSON");
    holds(&report);
    report
}

fn holds(report: &Value) {
    // The branches of `oneOf` say nothing of each other's faults: ask the one that is meant.
    let mut schema = schema();
    schema["oneOf"] = json!([{ "$ref": "#/$defs/report" }]);
    let report_only = jsonschema::draft202012::new(&schema).expect("a schema");
    let faults: Vec<String> =
        report_only.iter_errors(report).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(validator().is_valid(report));
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
fn edits(folder: &Path, change: impl Fn(&str) -> String) {
    let policy = folder.join("vault/vault.toml");
    fs::write(&policy, change(&fs::read_to_string(&policy).expect("a policy"))).expect("a policy");
    run(folder, &["sign", "--yes"]).succeeds();
    commit(folder, "vault: policy");
}

/// A repository with all kinds of changes in its history.
fn history() -> tempfile::TempDir {
    let scene = tree::folder();
    let folder = scene.path();
    git(folder, &["init", "-q"]);
    let does = |arguments: &[&str]| {
        run(folder, arguments).succeeds();
        commit(folder, &arguments.join(" "));
    };
    does(&["init", "--batch"]);
    does(&["machine", "add", "web-1"]);
    for key in ["bob", "carol"] {
        program("age-keygen").arg("-o").arg(folder.join(".git").join(key)).succeeds();
    }
    let bob = program("age-keygen").arg("-y").arg(folder.join(".git/bob")).succeeds().text();
    let carol = program("age-keygen").arg("-y").arg(folder.join(".git/carol")).succeeds().text();
    does(&["recipients", "add", "bob", bob.trim()]);
    does(&["grant", "passwords/root.txt", "bob"]);
    does(&["recipients", "add", "bob", carol.trim()]);
    does(&["revoke", "passwords/root.txt", "bob"]);
    does(&["rotate", "passwords/root.txt"]);
    run(folder, &["add", "token"]).input("the value").succeeds();
    commit(folder, "vault: token");
    program("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(folder.join(".git/signer"))
        .succeeds();
    does(&["signers", "add", "bob", ".git/signer.pub"]);
    does(&["signers", "remove", "bob"]);
    fs::create_dir_all(folder.join("vault/templates")).expect("a folder");
    fs::write(folder.join("vault/templates/app.conf"), "token = {{ secret(\"token\") }}\n")
        .expect("a template");
    let with = "\n[view.\"other/token\"]\nof = \"token\"\n\n\
                [template.\"app.conf\"]\nsource = \"templates/app.conf\"\naudience = [\"ops\"]\n";
    edits(folder, |policy| format!("{policy}{with}"));
    fs::write(folder.join("vault/templates/app.conf"), "the token = {{ secret(\"token\") }}\n")
        .expect("a template");
    edits(folder, |policy| policy.replace("of = \"token\"\n", "of = \"token\"\nmode = \"0440\"\n"));
    edits(folder, |policy| policy.split("\n[view.").next().expect("a beginning").to_owned());
    does(&["remove", "token", "--yes"]);
    scene
}

#[test]
fn reports_of_every_kind_are_what_the_schema_says() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = history();
    let folder = scene.path();
    let report = audit(folder, &[]);
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
    let range = audit(folder, &["HEAD~3..HEAD"]);
    assert_eq!(range["question"]["scope"], "range");
    let year = &report["made"].as_str().expect("a moment")[..4];
    let asked = audit(folder, &["--secret", "passwords/root.txt", "--at", year]);
    assert!(asked["vaults"][0]["access"]["readers"].as_array().expect("readers").len() >= 2);
    let signers = audit(folder, &["HEAD", "--allowed-signers", "vault/allowed_signers"]);
    assert_eq!(signers["trust"]["from_outside"], true);
    let allow = "[[allow]]\ncode = \"no-recovery-recipient\"\nplace = \"vault/vault.toml\"\n\
                 reason = \"a test\"\nuntil = 2999-01-01\n";
    fs::write(folder.join(".git/allow.toml"), allow).expect("a list");
    let allowed = audit(folder, &["--allow", ".git/allow.toml"]);
    assert_eq!(allowed["allowed"].as_array().map(Vec::len), Some(1), "{:#}", allowed["findings"]);

    // Damage, not committed.
    fs::write(folder.join("vault/passwords/root.txt.age"), "damage").expect("damage");
    assert_eq!(audit(folder, &[])["vaults"][0]["verdict"], "unsound");
    commit(folder, "damage");
    fs::remove_dir_all(folder.join("vault")).expect("a vault");
    commit(folder, "gone");
    assert_eq!(audit(folder, &["HEAD"])["vaults"][0]["verdict"], "gone");
}

#[test]
fn a_legacy_vault_is_reported_as_the_schema_says() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::full();
    let scene = tree::folder();
    git(scene.path(), &["init", "-q"]);
    tree::copy(&vault.path(), &scene.path().join("vault"));
    commit(scene.path(), "vault: old");
    assert_eq!(audit(scene.path(), &[])["vaults"][0]["verdict"], "legacy");
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = tree::folder();
    let folder = scene.path();
    let nothing = run(folder, &["audit", "--json"]).exits(1).text();
    assert!(validator().is_valid(&serde_json::from_str(&nothing).expect("JSON")), "{nothing}");
    git(folder, &["init", "-q"]);
    tree::copy(&Vault::with("token", "the value").build().path(), &folder.join("vault"));
    commit(folder, "vault: new");
    let report = audit(folder, &[]);
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
