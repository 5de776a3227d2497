//! What `vaultgen audit --json` prints is what docs/audit.schema.json says. Each report of these tests is held against it.

use std::fs;

use fixtures::{command::vaultgen, machine, tree, vault::Vault};
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
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    if !machine::has(&NEEDS) {
        return;
    }
    let nowhere = tree::folder();
    let nothing = vaultgen().args(["audit", "--json"]).in_folder(nowhere.path()).exits(1).text();
    assert!(validator().is_valid(&serde_json::from_str(&nothing).expect("JSON")), "{nothing}");
    let repository = Repository::new();
    repository.put(&Vault::with("token", "the value").build(), "vault");
    repository.commit("2026-01-01", "a vault");
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
