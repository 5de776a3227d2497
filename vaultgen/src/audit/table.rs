//! The report as a table of comma-separated values (RFC 4180).

use vault_format::audit::StateFacts;

use super::{
    report::{Moment, ReaderAccess, Report, SecretAccess, Step, VaultReport},
    words,
};

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rows {
    /// The secrets of the last state of each vault
    Secrets,
    /// What is wrong
    Findings,
    /// What changed, commit by commit
    Steps,
    /// Who could read the secret that --secret names
    Access,
}

/// A program for tables takes a cell that begins like this for a formula, and runs it.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes the table.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(report: &Report, rows: Rows, output: impl std::io::Write) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_writer(output);
    let mut row = |cells: &[String]| table.write_record(cells.iter().map(|cell| harmless(cell)));
    match rows {
        Rows::Secrets => {
            row(&SECRET_COLUMNS.map(str::to_owned))?;
            for vault in &report.vaults {
                for cells in vault.state.iter().flat_map(|state| secret_rows(report, vault, state)) {
                    row(&cells)?;
                }
            }
        }
        Rows::Findings => {
            row(&FINDING_COLUMNS.map(str::to_owned))?;
            for cells in finding_rows(report) {
                row(&cells)?;
            }
        }
        Rows::Steps => {
            row(&STEP_COLUMNS.map(str::to_owned))?;
            for vault in &report.vaults {
                for cells in vault.history.iter().map(|step| step_row(vault, step)) {
                    row(&cells)?;
                }
            }
        }
        Rows::Access => {
            row(&ACCESS_COLUMNS.map(str::to_owned))?;
            for vault in &report.vaults {
                for cells in vault.access.iter().flat_map(|access| access_rows(vault, access)) {
                    row(&cells)?;
                }
            }
        }
    }
    table.flush()?;
    Ok(())
}

fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA_STARTS) { format!("'{cell}") } else { cell.to_owned() }
}

const SECRET_COLUMNS: [&str; 20] = [
    "vault",
    "secret",
    "kind",
    "description",
    "readers",
    "unnamed_keys",
    "owner",
    "group",
    "mode",
    "services",
    "views",
    "templates",
    "created",
    "rotated",
    "age_days",
    "days_left",
    "facts",
    "known_to_removed_keys",
    "sha256",
    "findings",
];

fn secret_rows<'a>(
    report: &'a Report,
    vault: &'a VaultReport,
    state: &'a StateFacts,
) -> impl Iterator<Item = [String; 20]> + 'a {
    let mut codes: std::collections::BTreeMap<_, Vec<&str>> = std::collections::BTreeMap::new();
    for finding in &report.findings {
        if let Some(secret) = &finding.secret {
            codes.entry(secret).or_default().push(finding.code.word());
        }
    }
    let list = |names: &[vault_format::SecretName]| {
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    state.secrets.iter().map(move |secret| {
        [
            vault.path.clone(),
            secret.name.to_string(),
            secret.kind.as_str().to_owned(),
            secret.description.clone().unwrap_or_default(),
            secret.readers.iter().cloned().collect::<Vec<_>>().join(" "),
            secret.unnamed_keys.len().to_string(),
            secret.access.owner.clone(),
            secret.access.group.clone(),
            secret.access.mode.clone(),
            secret.access.services.join(" "),
            list(&secret.views),
            list(&secret.templates),
            secret.created.to_string(),
            secret.rotated.to_string(),
            secret.age_days.to_string(),
            secret.days_left.map(|days| days.to_string()).unwrap_or_default(),
            secret.facts.as_ref().map(words::facts).unwrap_or_default(),
            secret.exposed_to.len().to_string(),
            secret.proved.as_ref().map(|proof| proof.sha256.to_string()).unwrap_or_default(),
            codes.get(&secret.name).map(|codes| codes.join(" ")).unwrap_or_default(),
        ]
    })
}

const FINDING_COLUMNS: [&str; 10] =
    ["severity", "code", "path", "line", "commit", "secret", "grade", "reason", "remedy", "allowed_until"];

fn finding_rows(report: &Report) -> impl Iterator<Item = [String; 10]> + '_ {
    let open = report.findings.iter().map(|finding| (finding, String::new()));
    let allowed = report.allowed.iter().map(|allowed| (&allowed.finding, allowed.until.clone()));
    open.chain(allowed).map(|(finding, until)| {
        [
            finding.severity.to_string(),
            finding.code.to_string(),
            finding.place.path.clone(),
            finding.place.line.map(|line| line.to_string()).unwrap_or_default(),
            finding.place.commit.clone().unwrap_or_default(),
            finding.secret.as_ref().map(ToString::to_string).unwrap_or_default(),
            finding.grade.word().to_owned(),
            finding.reason.clone(),
            finding.remedy.to_owned(),
            until,
        ]
    })
}

const STEP_COLUMNS: [&str; 11] = [
    "vault",
    "commit",
    "committed",
    "committer",
    "author",
    "signer",
    "signer_fingerprint",
    "serial",
    "verdict",
    "follows",
    "changes",
];

fn step_row(vault: &VaultReport, step: &Step) -> [String; 11] {
    let person = |person: &super::report::PersonFacts| format!("{} <{}>", person.name, person.email);
    let commit = step.commit.as_ref();
    let signer = step.signer.as_ref();
    let changes: Vec<String> = step.changes.iter().map(words::change).collect();
    [
        vault.path.clone(),
        commit.map(|commit| commit.id.clone()).unwrap_or_default(),
        commit.map(|commit| commit.committer.at.to_string()).unwrap_or_default(),
        commit.map(|commit| person(&commit.committer)).unwrap_or_default(),
        commit.map(|commit| person(&commit.author)).unwrap_or_default(),
        signer.map(|signer| signer.principal.clone()).unwrap_or_default(),
        signer.map(|signer| signer.fingerprint.clone()).unwrap_or_default(),
        step.serial.map(|serial| serial.to_string()).unwrap_or_default(),
        step.verdict.word().to_owned(),
        step.follows.to_string(),
        changes.join("; "),
    ]
}

const ACCESS_COLUMNS: [&str; 15] = [
    "vault",
    "secret",
    "names",
    "key",
    "since",
    "since_commit",
    "since_committer",
    "since_signer",
    "until",
    "until_commit",
    "until_committer",
    "until_signer",
    "still",
    "knows_present_value",
    "side_branch",
];

fn access_rows<'a>(
    vault: &'a VaultReport,
    access: &'a SecretAccess,
) -> impl Iterator<Item = [String; 15]> + 'a {
    access.readers.iter().map(move |reader: &ReaderAccess| {
        let [since, since_commit, since_committer, since_signer] = moment_cells(Some(&reader.since));
        let [until, until_commit, until_committer, until_signer] = moment_cells(reader.until.as_ref());
        [
            vault.path.clone(),
            access.secret.to_string(),
            reader.names.join(" "),
            reader.key.to_string(),
            since,
            since_commit,
            since_committer,
            since_signer,
            until,
            until_commit,
            until_committer,
            until_signer,
            reader.still.to_string(),
            reader.knows_present_value.to_string(),
            reader.side_branch.to_string(),
        ]
    })
}

fn moment_cells(moment: Option<&Moment>) -> [String; 4] {
    let Some(moment) = moment else { return Default::default() };
    let signer = moment.signer.clone().unwrap_or_default();
    [moment.at.to_string(), moment.commit.clone(), moment.committer.clone(), signer]
}
