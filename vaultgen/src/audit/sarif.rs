//! Findings for code hosts: SARIF 2.1.0 (OASIS), as far as it is needed to show them on the lines of a pull request.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use vault_format::audit::{Code, Finding, Severity};

use super::report::Report;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const DOCUMENTATION: &str = "https://github.com/odbox/odbox/blob/main/docs/findings.md";

/// A log with one run.
#[derive(Debug, Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    results: Vec<Outcome>,
    column_kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    help: Text,
    help_uri: String,
    properties: Properties,
}

#[derive(Debug, Serialize)]
struct Properties {
    /// What code hosts sort by, from 0 to 10.
    #[serde(rename = "security-severity")]
    security_severity: &'static str,
    tags: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    /// Where that is in the list of rules.
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

#[derive(Debug, Serialize)]
struct Suppression {
    kind: &'static str,
    justification: String,
}

/// What makes a finding the same one in the next run.
#[derive(Debug, Serialize)]
struct Fingerprints {
    #[serde(rename = "odbox/v1")]
    odbox: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    uri_base_id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
}

/// The findings of a report, the allowed ones as suppressed.
#[must_use]
pub fn log(report: &Report) -> Log {
    let open = report.findings.iter().map(|finding| (finding, None));
    let allowed = report.allowed.iter().map(|allowed| (&allowed.finding, Some(&allowed.reason)));
    let mut known = BTreeMap::new();
    let mut fingerprint = |finding: &Finding| {
        let identity = identity(finding);
        let before: &mut usize = known.entry(identity.clone()).or_default();
        *before += 1;
        // What is found twice in a file is two findings: the first keeps what it was called when it was alone.
        if *before == 1 { hex(&identity) } else { hex(&format!("{identity}\0{before}")) }
    };
    let driver = Driver {
        name: "vaultgen audit",
        version: env!("CARGO_PKG_VERSION"),
        information_uri: env!("CARGO_PKG_REPOSITORY"),
        rules: Code::ALL.iter().map(|code| rule(*code)).collect(),
    };
    let results = open.chain(allowed);
    let results = results.map(|(finding, allowed)| outcome(finding, allowed, fingerprint(finding))).collect();
    let run = Run { tool: Tool { driver }, results, column_kind: "unicodeCodePoints" };
    Log { schema: SCHEMA, version: "2.1.0", runs: [run] }
}

fn rule(code: Code) -> Rule {
    Rule {
        id: code.word(),
        short_description: Text { text: code.title().to_owned() },
        help: Text { text: code.remedy().to_owned() },
        help_uri: format!("{DOCUMENTATION}#{code}"),
        properties: Properties {
            security_severity: match code.severity() {
                Severity::Low => "2.0",
                Severity::Medium => "5.0",
                Severity::High => "8.0",
                Severity::Critical => "9.5",
            },
            tags: ["security"],
        },
    }
}

/// What makes a finding the same one: neither its line, which moves, nor its reason, which counts days.
fn identity(finding: &Finding) -> String {
    let place = &finding.place;
    let secret = finding.secret.as_ref().map(ToString::to_string).unwrap_or_default();
    [finding.code.word(), &place.path, place.commit.as_deref().unwrap_or_default(), &secret].join("\0")
}

fn outcome(finding: &Finding, allowed: Option<&String>, fingerprint: String) -> Outcome {
    let place = &finding.place;
    let commit = place.commit.as_ref().map(|commit| format!(" (in commit {commit})")).unwrap_or_default();
    // A file is the least that a place can be.
    let path = if place.path.is_empty() { ".gitattributes" } else { &place.path };
    Outcome {
        rule_id: finding.code.word(),
        rule_index: Code::ALL.iter().position(|code| *code == finding.code).unwrap_or_default(),
        level: match finding.severity {
            Severity::Low => "note",
            Severity::Medium => "warning",
            Severity::High | Severity::Critical => "error",
        },
        message: Text { text: format!("{}{commit}. {}.", finding.reason, finding.remedy) },
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: Artifact { uri: uri(path), uri_base_id: "%SRCROOT%" },
                region: Region { start_line: place.line.unwrap_or(1) },
            },
        }],
        partial_fingerprints: Fingerprints { odbox: fingerprint },
        suppressions: allowed
            .map(|reason| Suppression { kind: "external", justification: reason.clone() })
            .into_iter()
            .collect(),
    }
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(escaped).collect()
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("vault/a b#c?.age"), "vault/a%20b%23c%3F.age");
        assert_eq!(uri("ü"), "%C3%BC");
    }
}
