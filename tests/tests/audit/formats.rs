//! The report for programs.

use std::fs;

use fixtures::{command::program, machine, vault::Vault};
use serde_json::Value;

use super::{NEEDS, scene::Repository};

/// A vault with a key beside it, and a name that a spreadsheet would run.
fn repository() -> Repository {
    let formula = "description = \"=cmd|' /C calc'!A0\"";
    let (repository, vault) = (Repository::new(), Vault::with("app", "1").policy(formula).build());
    repository.put(&vault, "vault");
    repository.write("a key.txt", program("age-keygen").succeeds().output);
    repository.commit("2026-01-01", "all");
    repository
}

#[test]
fn a_code_host_gets_each_finding_with_its_line() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    repository
        .audit(&["--sarif", "out.sarif", "--fail-on", "critical"])
        .exits(1)
        .explains("1 finding of severity critical");
    let log: Value =
        serde_json::from_slice(&fs::read(repository.join("out.sarif")).expect("a log")).expect("JSON");
    let run = &log["runs"][0];
    assert_eq!(
        (&log["version"], &run["tool"]["driver"]["name"]),
        (&"2.1.0".into(), &"vaultgen audit".into())
    );
    let results = run["results"].as_array().expect("results");
    let leak = results.iter().find(|result| result["ruleId"] == "plaintext-age-identity").expect("a leak");
    let place = &leak["locations"][0]["physicalLocation"];
    assert_eq!(
        (&leak["level"], &place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"error".into(), &"a%20key.txt".into(), &3.into())
    );
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result:#}");
    }
}

#[test]
fn a_table_has_a_row_for_each_and_runs_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let secrets = repository.audit(&["--csv"]).succeeds().text();
    assert!(
        secrets.starts_with("vault,secret,kind,description,") && secrets.lines().count() == 2,
        "{secrets}"
    );
    assert!(secrets.contains("'=cmd|") && !secrets.contains(",=cmd"), "{secrets}");
    repository.audit(&["--csv=findings"]).succeeds().says("critical,plaintext-age-identity,a key.txt,3,");
    repository.audit(&["--csv=steps"]).succeeds().says("vault,commit,committed,");
}

#[test]
fn what_is_allowed_is_told_apart_until_it_ends() {
    if !machine::has(&NEEDS) {
        return;
    }
    let repository = repository();
    let allow = |until: &str, code: &str| {
        let list = format!(
            "[[allow]]\ncode = {code:?}\nplace = \"a key.txt\"\nreason = \"a test key\"\nuntil = {until}\n"
        );
        repository.write("allow.toml", list);
        repository.audit(&["--allow", "allow.toml", "--fail-on", "high"])
    };
    let allowed = allow("2099-01-01", "plaintext-age-identity").succeeds();
    allowed.says("allowed until 2099-01-01: plaintext-age-identity a key.txt:3").says("a test key");
    allow("2020-01-01", "plaintext-age-identity").exits(1).says("was allowed until 2020-01-01");
    allow("2099-01-01", "fork").exits(1).says("was not found: take it off the list");
    allow("2099-01-01", "no-such-code").exits(1).says("which is no code of a finding");
    allow("tomorrow", "fork").exits(1).explains("allow.toml");
}
