//! The report for a terminal.

mod access;

use vault_format::{
    audit::{Finding, Severity, StateFacts, readers::ReaderKind, state::SecretFacts},
    report::visible,
};

use super::{
    keyring::Keyrings,
    report::{Question, Report, Step, VaultReport, Verdict},
    words,
};

/// How many of the last steps are told; all of them are in the other formats.
const TOLD_STEPS: usize = 20;

/// The report, a line for each fact.
#[must_use]
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for vault in &report.vaults {
        lines.extend(of_vault(report, vault));
        lines.push(String::new());
    }
    lines.extend(of_findings(report));
    lines.push(format!("about: {}{}", words::scope(&report.question), of_time(&report.question)));
    lines.push(format!("trust: {}", report.trust.statement));
    // Names come from the repository: none may write on the terminal.
    lines.into_iter().map(|line| visible(&line).replace('\n', " ")).collect()
}

/// The time that was asked about, and the commit that was the newest then.
fn of_time(question: &Question) -> String {
    let at = question.at.as_ref();
    at.map(|at| format!("; the state at the end of {} is that of commit {}", at.name, at.commit))
        .unwrap_or_default()
}

fn of_vault(report: &Report, vault: &VaultReport) -> Vec<String> {
    let name = if vault.path.is_empty() { "." } else { &vault.path };
    if let Some(access) = &vault.access {
        return access::lines(report, vault, access, name);
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
        let decrypts = match machine.decrypts.as_slice() {
            [] => "decrypts nothing".to_owned(),
            some => format!("decrypts {}: {}", some.len(), words::names(some)),
        };
        let serves = machine.serves.len();
        lines.push(format!("    {}: profile {profile}, serves {serves}, {decrypts}", machine.name));
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
    let facts = secret.facts.as_ref().map(|facts| format!("; {}", words::facts(facts)));
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
    let when = report.question.at.as_ref().map(|at| match report.question.secret {
        None => format!(" at the end of {}", at.name),
        // Whether it is still so is asked of all of the history.
        Some(_) => format!(" of the state at the end of {}, and of all commits", at.name),
    });
    let mut lines = vec![format!("findings{}: {total}", when.unwrap_or_default())];
    let keyrings = Keyrings::of(report);
    for finding in &report.findings {
        lines.extend(of_finding(finding));
        let known_to = keyrings.known_to(finding);
        lines.extend(known_to.map(|names| format!("           known to {}", names.join(", "))));
    }
    for allowed in &report.allowed {
        let about = words::about(&allowed.finding);
        lines.push(format!(
            "  allowed until {}: {} {about}: {}",
            allowed.until, allowed.finding.code, allowed.reason
        ));
    }
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    lines
}

fn of_finding(finding: &Finding) -> [String; 2] {
    let what =
        format!("  {:8} {} {}: {}", finding.severity, finding.code, words::about(finding), finding.reason);
    [what, format!("           {}", finding.remedy)]
}
