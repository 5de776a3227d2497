//! What `vaultgen audit --json` prints is what docs/audit.schema.json says. Each report of these tests is held against it.

use std::fs;

use serde_json::{Value, json};

fn schema() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/audit.schema.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the schema")).expect("JSON")
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
