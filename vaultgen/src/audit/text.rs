//! The report for a terminal.

use vault_format::{
    audit::{Finding, Severity, StateFacts, readers::ReaderKind, state::SecretFacts},
    report::visible,
};

use super::{
    report::{At, Report, SecretAccess, Step, VaultReport, Verdict},
    words,
};

/// How many of the last steps are told; all of them are in the other formats.
const TOLD_STEPS: usize = 20;

/// The report, a line for each fact.
#[must_use]
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for vault in &report.vaults {
        lines.extend(of_vault(vault, report.question.at.as_ref()));
        lines.push(String::new());
    }
    lines.extend(of_findings(report));
    lines.push(format!("trust: {}", report.trust.statement));
    // Names come from the repository: none may write on the terminal.
    lines.into_iter().map(|line| visible(&line).replace('\n', " ")).collect()
}

fn of_vault(vault: &VaultReport, at: Option<&At>) -> Vec<String> {
    let name = if vault.path.is_empty() { "." } else { &vault.path };
    if let Some(access) = &vault.access {
        return of_access(name, access, at);
    }
    let mut lines = vec![headline(name, vault)];
    if let Some(commit) = &vault.commit {
        let committer = &commit.committer;
        lines.push(format!(
            "  last change {} by {} <{}> in {} (Git says so)",
            committer.at.date_time().date(),
            committer.name,
            committer.email,
            words::commit(&commit.id),
        ));
    }
    if let Some(state) = &vault.state {
        lines.extend(of_state(state));
    }
    lines.extend(of_history(&vault.history));
    lines
}

fn headline(name: &str, vault: &VaultReport) -> String {
    let signer = vault
        .signer
        .as_ref()
        .map(|signer| format!(", signed by {} {}", signer.principal, signer.fingerprint));
    let serial = vault.state.as_ref().map(|state| format!(", serial {}", state.serial));
    let what = match vault.verdict {
        Verdict::Sound => "sound",
        Verdict::Unsound => "not sound: what follows is what its files claim",
        Verdict::Legacy => "in the layout of Odoo Box: nobody signs those",
        Verdict::Gone => "not there any more",
    };
    format!("vault {name}: {what}{}{}", serial.unwrap_or_default(), signer.unwrap_or_default())
}

fn of_state(state: &StateFacts) -> Vec<String> {
    let mut lines = vec![format!("  readers ({})", state.grade.word())];
    for reader in &state.readers {
        let what = match (reader.kind, reader.members.is_empty()) {
            (ReaderKind::Group, false) => format!("group of {}", reader.members.join(", ")),
            (kind, _) => kind.word().to_owned(),
        };
        lines.push(format!("    {}: {what}, decrypts {}", reader.name, reader.decrypts));
    }
    lines.push(format!("  machines ({})", state.grade.word()));
    for machine in &state.machines {
        let profile = machine.profile.as_deref().unwrap_or("none");
        let (decrypts, serves) = (machine.decrypts.len(), machine.serves.len());
        lines.push(format!("    {}: profile {profile}, decrypts {decrypts}, serves {serves}", machine.name));
    }
    lines.push("  signers".to_owned());
    for signer in &state.signers {
        let ended = if signer.ended { ", ended" } else { "" };
        lines.push(format!("    {} {}{ended}", signer.principal, signer.fingerprint));
    }
    lines.push(format!("  secrets ({}; digest, length and number of keys are proved)", state.grade.word()));
    let width = state.secrets.iter().map(|secret| secret.name.as_str().len()).max().unwrap_or(0).min(48);
    for secret in &state.secrets {
        lines.push(of_secret(secret, width));
    }
    lines
}

fn of_secret(secret: &SecretFacts, width: usize) -> String {
    let readers: Vec<String> = secret
        .readers
        .iter()
        .cloned()
        .chain(secret.unnamed_keys.iter().map(|key| words::key(key.as_str())))
        .collect();
    let facts = secret.facts.as_ref().map(|facts| format!("; {facts}"));
    let left = secret.days_left.map(|days| format!(", {days} days left"));
    let description = secret.description.as_ref().map(|text| format!("; {text}"));
    format!(
        "    {:width$}  {}, {}; {}; {} days old{}{}{}",
        secret.name.as_str(),
        secret.kind.as_str(),
        readers.join(" "),
        words::access(&secret.access),
        secret.age_days,
        facts.unwrap_or_default(),
        left.unwrap_or_default(),
        description.unwrap_or_default(),
    )
}

fn of_history(history: &[Step]) -> Vec<String> {
    let left_out = history.len().saturating_sub(TOLD_STEPS);
    let mut lines = vec![match left_out {
        0 => "  history (names and dates: Git says so)".to_owned(),
        more => {
            format!("  history (names and dates: Git says so); {more} earlier steps are in --json and --html")
        }
    }];
    for step in &history[left_out..] {
        lines.push(format!("    {}", of_step(step)));
        lines.extend(step.problems.iter().map(|problem| format!("      ! {problem}")));
        lines.extend(step.changes.iter().map(|change| format!("      {}", words::change(change))));
    }
    lines
}

fn of_step(step: &Step) -> String {
    let when = match &step.commit {
        Some(commit) => {
            let date = commit.committer.at.date_time().date();
            format!("{date} {} {}", words::commit(&commit.id), commit.committer.name)
        }
        None => "not committed".to_owned(),
    };
    let signer = match &step.signer {
        Some(signer) if step.signed_by_committer || step.commit.is_none() => {
            format!(", signed by {}", signer.principal)
        }
        Some(signer) => format!(", signed by somebody else: {}", signer.principal),
        None => String::new(),
    };
    let serial = step.serial.map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let verdict = if step.verdict == Verdict::Sound { "" } else { step.verdict.word() };
    let verdict = if verdict.is_empty() { String::new() } else { format!(", {verdict}") };
    let follows = if step.follows { "" } else { ", does not follow from the state before" };
    let line = if step.main_line { "" } else { ", on a side branch" };
    format!("{when}{serial}{signer}{verdict}{follows}{line}")
}

fn of_access(vault: &str, access: &SecretAccess, at: Option<&At>) -> Vec<String> {
    let when = match at {
        Some(at) => format!("in {} (by {})", at.name, at.source),
        None => "ever (by the dates of Git's commits)".to_owned(),
    };
    let mut lines = vec![format!("who could read {} of vault {vault} {when}", access.secret)];
    for reader in &access.readers {
        let who = if reader.names.is_empty() {
            words::key(reader.key.as_str())
        } else {
            reader.names.join(" and ")
        };
        let moment = |moment: &super::report::Moment| {
            let signer = moment
                .signer
                .as_ref()
                .map_or_else(|| "signed by nobody known".to_owned(), |signer| format!("signed by {signer}"));
            format!(
                "{} ({signer}, committed by {} in {})",
                moment.at.date_time().date(),
                moment.committer,
                words::commit(&moment.commit)
            )
        };
        let now = match (reader.still, reader.knows_present_value) {
            (true, _) => "; still so",
            (false, true) => "; knows the present value all the same",
            (false, false) => "; the value was changed since",
        };
        let until =
            reader.until.as_ref().map(|until| format!(" until {}", moment(until))).unwrap_or_default();
        lines.push(format!(
            "  {who} [{}]: since {}{until}{now}",
            words::key(reader.key.as_str()),
            moment(&reader.since)
        ));
    }
    if access.readers.is_empty() {
        lines.push("  nobody".to_owned());
    }
    for served in &access.served {
        lines.push(format!(
            "  on {} it may be opened as {} by {}",
            served.machine,
            served.path,
            words::access(&served.access)
        ));
    }
    lines.push(format!("  its value changed on: {} (the signers say so)", access.rotated.join(", ")));
    lines
}

fn of_findings(report: &Report) -> Vec<String> {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let counts: Vec<String> = Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| (count(severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    let total = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let mut lines = vec![format!("findings: {total}")];
    for finding in &report.findings {
        lines.extend(of_finding(finding));
    }
    for allowed in &report.allowed {
        let place = words::place(&allowed.finding.place);
        lines.push(format!(
            "  allowed until {}: {} {place}: {}",
            allowed.until, allowed.finding.code, allowed.reason
        ));
    }
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    lines
}

fn of_finding(finding: &Finding) -> [String; 2] {
    let what = format!(
        "  {:8} {} {}: {}",
        finding.severity,
        finding.code,
        words::place(&finding.place),
        finding.reason
    );
    [what, format!("           {}", finding.remedy)]
}
