//! What is wrong, as the page tells it.

use minijinja::{Value, context};
use vault_format::audit::{Finding, Grade, Severity};

use super::anchors::Anchors;
use crate::audit::{keyring::Keyrings, report::Report, words};

/// The findings, the worst first, as the report has them.
pub fn list(report: &Report, anchors: &Anchors<'_>) -> Vec<Value> {
    let keyrings = Keyrings::of(report);
    let findings = report.findings.iter().enumerate();
    findings
        .map(|(index, finding)| {
            let link = anchors.secret_id(finding);
            let known_to = keyrings.known_to(finding);
            context! { id => format!("f{index}"), link, known_to, ..of(finding) }
        })
        .collect()
}

/// What is wrong and allowed.
pub fn allowed(report: &Report) -> Vec<Value> {
    let allowed = report.allowed.iter();
    allowed
        .map(|allowed| context! { why => allowed.reason, until => allowed.until, ..of(&allowed.finding) })
        .collect()
}

fn of(finding: &Finding) -> Value {
    context! {
        code => finding.code.word(),
        title => parts(finding.code.title()),
        severity => finding.severity.word(),
        grade => grade(finding.grade),
        grade_word => finding.grade.word(),
        place => words::place(&finding.place),
        secret => finding.secret.as_ref().map(|name| name.as_str()),
        reason => finding.reason,
        remedy => parts(finding.remedy),
    }
}

/// Every second part is what one types: it stands between backticks.
fn parts(text: &str) -> Vec<&str> {
    text.split('`').collect()
}

/// A grade for people.
pub fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Proved => "proved",
        Grade::SignedClaim => "signed claim",
        Grade::GitClaim => "Git claim",
    }
}

/// How many there are of each severity, the worst first.
pub fn counts<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Value> {
    let mut counts = [0_usize; Severity::ALL.len()];
    for finding in findings {
        for (count, severity) in counts.iter_mut().zip(Severity::ALL) {
            *count += usize::from(finding.severity == severity);
        }
    }
    let counts = counts.iter().zip(Severity::ALL).rev();
    counts.map(|(count, severity)| context! { word => severity.word(), count }).collect()
}
