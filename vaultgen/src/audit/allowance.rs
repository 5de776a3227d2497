//! Findings that somebody looked at and allowed, sorted out of a report.

use std::collections::BTreeSet;

use vault_format::{
    allow::{AllowList, Allowance},
    audit::{Code, Finding},
};

use super::report::{AllowedFinding, Report};

/// Moves what is allowed to where it is told apart, and notes what of the list is of no use.
pub fn sort_out(report: &mut Report, list: &AllowList) {
    let now = report.made;
    let mut used: BTreeSet<usize> = BTreeSet::new();
    let (mut findings, mut allowed) = (Vec::new(), Vec::new());
    for finding in report.findings.drain(..) {
        let secret = finding.secret.as_ref().map(|name| name.as_str());
        match list.covers(finding.code.word(), &finding.place.path, secret, now) {
            Some(allowance) => {
                used.extend(list.allowances().iter().position(|other| other == allowance));
                allowed.push(allowed_finding(finding, allowance));
            }
            None => findings.push(finding),
        }
    }
    let notes = list.allowances().iter().enumerate().filter_map(|(at, allowance)| {
        let Allowance { code, place, until, .. } = allowance;
        if !Code::ALL.iter().any(|known| known.word() == code) {
            return Some(format!("the list allows {code:?}, which is no code of a finding"));
        }
        if allowance.has_ended(now) {
            return Some(format!("{code} at {place} was allowed until {until}"));
        }
        (!used.contains(&at))
            .then(|| format!("{code} at {place} is allowed and was not found: take it off the list"))
    });
    report.notes = notes.collect();
    (report.findings, report.allowed) = (findings, allowed);
}

fn allowed_finding(finding: Finding, allowance: &Allowance) -> AllowedFinding {
    AllowedFinding { finding, reason: allowance.reason.clone(), until: allowance.until.to_string() }
}
