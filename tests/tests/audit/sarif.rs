//! What SARIF 2.1.0 (OASIS) demands of a log, and what a code host needs to show it.

use std::{collections::BTreeSet, fs};

use fixtures::machine;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::{NEEDS, everything::everything};

const LEVELS: [&str; 4] = ["none", "note", "warning", "error"];

/// A text that must be there, and must not be empty.
fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("{what}: {value}"))
}

fn list<'a>(value: &'a Value, what: &str) -> &'a [Value] {
    value.as_array().unwrap_or_else(|| panic!("{what}: {value}"))
}

/// Everything that can be found, some of it allowed.
fn log() -> Value {
    let repository = everything();
    let list = "[[allow]]\ncode = \"plaintext-private-key\"\nplace = \"notes/**\"\nreason = \"a test key\"\n\
                until = 2099-01-01\n";
    repository.write("allow.toml", list);
    let flags = ["HEAD", "--allowed-signers", "signers", "--allow", "allow.toml", "--sarif", "out.sarif"];
    repository.audit(&flags).succeeds();
    serde_json::from_slice(&fs::read(repository.join("out.sarif")).expect("a log")).expect("JSON")
}

#[test]
fn a_log_is_what_the_standard_demands() {
    if !machine::has(&NEEDS) {
        return;
    }
    let log = log();
    let faults: Vec<String> =
        schema().iter_errors(&log).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    refuses_what_is_no_log(&log);
    // 3.13: sarifLog.
    assert_eq!(log["version"], "2.1.0");
    assert!(text(&log["$schema"], "$schema").ends_with("sarif-2.1.0.json"));
    let [run] = list(&log["runs"], "runs") else { panic!("one run: {log}") };
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&text(&run["columnKind"], "columnKind")));
    let rules = rules(&run["tool"]["driver"]);
    let results = list(&run["results"], "results");
    assert!(results.len() > rules.len());
    let fingerprints: BTreeSet<&str> = results.iter().map(|result| of_result(result, &rules)).collect();
    assert_eq!(fingerprints.len(), results.len(), "two results are taken for one");
    let suppressed = results.iter().filter(|result| !result["suppressions"].is_null());
    assert_eq!(suppressed.count(), 1);
}

/// That of the standard, with the forms of URIs and moments.
fn schema() -> Validator {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit/sarif-schema/sarif-schema-2.1.0.json");
    let mut schema: Value = serde_json::from_slice(&fs::read(file).expect("the schema")).expect("JSON");
    // These patterns are written in a way that JavaScript alone takes; we name no language.
    for object in ["run", "toolComponent"] {
        let language = schema["definitions"][object]["properties"]["language"].as_object_mut();
        language.expect("a property").remove("pattern").expect("a pattern");
    }
    jsonschema::draft7::options().should_validate_formats(true).build(&schema).expect("a schema")
}

/// A schema that takes anything proves nothing.
fn refuses_what_is_no_log(log: &Value) {
    for (place, value) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/columnKind", json!("bytes")),
        ("/runs/0/tool/driver/rules/0/helpUri", json!("not a URI")),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/message", json!({})),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/another", json!(1)),
    ] {
        let mut wrong = log.clone();
        let (parent, field) = place.rsplit_once('/').expect("a field");
        wrong.pointer_mut(parent).expect(place)[field] = value;
        assert!(!schema().is_valid(&wrong), "{place}");
    }
}

/// 3.19: toolComponent, and 3.49: reportingDescriptor.
fn rules(driver: &Value) -> Vec<&str> {
    text(&driver["name"], "name");
    assert!(text(&driver["informationUri"], "informationUri").starts_with("https://"));
    let rules = list(&driver["rules"], "rules");
    let ids: Vec<&str> = rules.iter().map(|rule| text(&rule["id"], "id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    for rule in rules {
        assert!(text(&rule["shortDescription"]["text"], "shortDescription").ends_with('.'), "{rule}");
        text(&rule["help"]["text"], "help");
        let anchor = format!("/docs/findings.md#{}", text(&rule["id"], "id"));
        assert!(text(&rule["helpUri"], "helpUri").ends_with(&anchor), "{rule}");
        let severity = text(&rule["properties"]["security-severity"], "security-severity").parse::<f64>();
        assert!((0.0..=10.0).contains(&severity.expect("a number")), "{rule}");
    }
    ids
}

/// 3.27: result. Gives back what makes it the same one in the next run.
fn of_result<'a>(result: &'a Value, rules: &[&str]) -> &'a str {
    let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
    assert_eq!(index.and_then(|index| rules.get(index)).copied(), result["ruleId"].as_str(), "{result}");
    assert!(LEVELS.contains(&text(&result["level"], "level")), "{result}");
    text(&result["message"]["text"], "message");
    let [location] = list(&result["locations"], "locations") else { panic!("one place: {result}") };
    let place = &location["physicalLocation"];
    let uri = text(&place["artifactLocation"]["uri"], "uri");
    // RFC 3986: a relative reference has no scheme and does not begin at the root.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    assert!(!uri.starts_with('/') && uri.bytes().all(plain), "{uri}");
    assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
    assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line >= 1), "{result}");
    for suppression in result["suppressions"].as_array().into_iter().flatten() {
        assert!(["inSource", "external"].contains(&text(&suppression["kind"], "kind")), "{result}");
        text(&suppression["justification"], "justification");
    }
    let fingerprints = result["partialFingerprints"].as_object().expect("fingerprints");
    fingerprints.values().map(|value| text(value, "a fingerprint")).next().expect("one")
}
