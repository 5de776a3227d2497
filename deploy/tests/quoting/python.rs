use std::fs;

use deploy::formats::python::{Value, assignment};
use fixtures::{
    command::program,
    machine::{self, Need::Program},
    tree,
};

use crate::value;

/// Prints, as JSON, what a configuration leaves in `V`.
const READER: &str = "import json, sys
scope = {}
exec(compile(open(sys.argv[1], 'rb').read(), 'config', 'exec'), scope)
print(json.dumps(scope['V']))";

fn read_back(value: impl Into<Value>) -> serde_json::Value {
    let folder = tree::folder();
    let file = folder.path().join("config.py");
    fs::write(&file, assignment("V", value)).expect("a configuration");
    let ended = program("python3").args(["-c", READER]).arg(file).succeeds();
    serde_json::from_slice(&ended.output).expect("JSON")
}

#[test]
fn python_reads_what_was_written() {
    if !machine::has(&[Program("python3")]) {
        return;
    }
    value::each(200, |mut values| {
        values.push("a NUL \0".to_owned());
        assert_eq!(read_back(values.clone()), serde_json::json!(values));
    });
    let mixed = vec![Value::from(true), Value::from(false), Value::from(-1_i64), Value::from(vec!["a"])];
    assert_eq!(read_back(mixed), serde_json::json!([true, false, -1, ["a"]]));
}
