//! `vaultgen audit`: what an auditor sees of a vault in Git, without any private key.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    SecretName, Timestamp,
    allow::AllowList,
    audit::{Finding, Severity},
    signers::AllowedSigners,
};

use crate::{
    audit::{
        self, Inquiry, allowance, page,
        period::Period,
        report::Report,
        repository::Repository,
        sarif,
        table::{self, Rows},
        text,
    },
    cli::Common,
    commands, json, vault,
};

/// Show what is in the vaults of a Git repository, who can read what, what changed, and what is wrong.
///
/// Needs no private key and no checkout. Without REV it looks at the work tree, or at HEAD in a bare clone; with REV
/// at that state; both with the history before. With A..B it looks at what came after A up to B. All vaults of the
/// repository are looked at, unless --vault names one.
///
/// Each fact is of one of three grades: proved by bytes that anybody can check; a signed claim, which a signer makes;
/// a Git claim, which whoever can push could have made. Without --allowed-signers, all trust is anchored in this
/// repository.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A revision (gitrevisions(7)), or A..B
    #[arg(value_name = "REV|A..B")]
    revision: Option<String>,
    /// A folder of the Git repository; else that of --vault, or the present one
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,
    /// The signers that you trust, from outside of the repository: lines as in `allowed_signers` of a vault
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Ask about this secret: who could read it, since when, who let them in, and is that still so
    #[arg(long, value_name = "NAME")]
    secret: Option<SecretName>,
    /// Ask about a day, a month or a year, in UTC: 2026-03-14, 2026-03 or 2026. Without --secret, the state at its end
    #[arg(long, value_name = "DATE")]
    at: Option<Period>,
    /// Findings that are allowed, each with a reason and a last day: [[allow]] with code, place, reason and until
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// Exit with 1 if there is a finding as bad as this or worse
    #[arg(long, value_name = "low|medium|high|critical")]
    fail_on: Option<Severity>,
    /// Print a table of comma-separated values instead
    #[arg(
        long,
        value_name = "ROWS",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "secrets",
        conflicts_with = "json"
    )]
    csv: Option<Rows>,
    /// Write the findings for a code host, which shows them on the lines of a pull request
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Write a page for a browser or for paper: who can read what, what changed, and what is wrong
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Audits, and reports in the formats that were asked for.
///
/// # Errors
///
/// If there is nothing to audit, a file cannot be read or written, or there are findings that are to fail.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    if args.csv == Some(Rows::Access) && args.secret.is_none() {
        return Err(AuditFault::NoSecret.into());
    }
    let mut report = audit::audit(&inquiry(args, common)?).map_err(|error| misread(args, error))?;
    if let Some(path) = &args.allow {
        let list = AllowList::parse(&read_text(path)?, &path.display().to_string())?;
        allowance::sort_out(&mut report, &list);
    }
    if let Some(path) = &args.sarif {
        let log = serde_json::to_vec_pretty(&sarif::log(&report)).map_err(AuditFault::Encode)?;
        fs::write(path, log).map_err(|error| AuditFault::Write { path: path.clone(), error })?;
    }
    if let Some(path) = &args.html {
        let page = page::render(&report)?;
        fs::write(path, page).map_err(|error| AuditFault::Write { path: path.clone(), error })?;
    }
    print(&report, args, common)?;
    match args.fail_on {
        Some(severity) => judge(&report, severity),
        None => Ok(()),
    }
}

/// `--csv findings` has a revision that is meant for a kind of rows.
fn misread(args: &Args, error: miette::Report) -> miette::Report {
    let rows = args.revision.as_deref().filter(|name| Rows::from_str(name, false).is_ok());
    match (args.csv, rows) {
        (Some(_), Some(rows)) => AuditFault::Rows(rows.to_owned()).into(),
        _ => error,
    }
}

fn inquiry(args: &Args, common: &Common) -> miette::Result<Inquiry> {
    let named = common.names_vault.then_some(common.vault.as_path());
    let repository =
        args.repository.clone().or_else(|| named.filter(|vault| vault.is_dir()).map(Path::to_owned));
    let repository = repository.unwrap_or_else(|| PathBuf::from("."));
    let vault = named.map(|vault| path_in(&repository, vault)).transpose()?;
    Ok(Inquiry {
        vault,
        repository,
        revision: args.revision.clone(),
        trusted: args.allowed_signers.as_deref().map(trusted).transpose()?,
        at: args.at.clone(),
        secret: args.secret.clone(),
        now: Timestamp::now(),
    })
}

/// The path of a vault in its repository. Where there is no such folder now, it is one of another time.
fn path_in(repository: &Path, vault: &Path) -> miette::Result<String> {
    let top = Repository::discover(repository)?.top();
    let real = vault.canonicalize().ok();
    let path = match (&top, &real) {
        (Some(top), Some(real)) => {
            real.strip_prefix(top).map_err(|_| AuditFault::Elsewhere(vault.to_owned()))?
        }
        _ => vault.strip_prefix("./").unwrap_or(vault),
    };
    let path = path.to_str().ok_or_else(|| AuditFault::Elsewhere(vault.to_owned()))?;
    Ok(path.trim_end_matches('/').to_owned())
}

fn trusted(path: &Path) -> miette::Result<AllowedSigners> {
    let bytes = fs::read(path).map_err(|error| AuditFault::Read { path: path.to_owned(), error })?;
    Ok(vault::parse_signers(path, bytes)?)
}

fn read_text(path: &Path) -> Result<String, AuditFault> {
    fs::read_to_string(path).map_err(|error| AuditFault::Read { path: path.to_owned(), error })
}

fn print(report: &Report, args: &Args, common: &Common) -> miette::Result<()> {
    if let Some(rows) = args.csv {
        let mut output = Vec::new();
        table::write(report, rows, &mut output).map_err(AuditFault::Table)?;
        // Whoever closed the pipe wants no more.
        let _ = io::stdout().write_all(&output);
        return Ok(());
    }
    if common.json {
        return json::print(report);
    }
    for line in text::lines(report) {
        commands::say(common.quiet, &line);
    }
    Ok(())
}

fn judge(report: &Report, severity: Severity) -> miette::Result<()> {
    let bad = |finding: &&Finding| finding.severity >= severity;
    match report.findings.iter().filter(bad).count() {
        0 => Ok(()),
        count => Err(Found { count, severity }.into()),
    }
}

/// There is what must not be.
#[derive(Debug, Error, Diagnostic)]
#[error("{count} finding{} of severity {severity} or above", if *.count == 1 { "" } else { "s" })]
#[diagnostic(help(
    "each has a remedy; docs/findings.md explains its code, and --allow FILE lets one be for a while"
))]
pub struct Found {
    count: usize,
    severity: Severity,
}

/// A file of the audit cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
enum AuditFault {
    #[error("{path}")]
    #[diagnostic(help("check the path, and that you may read it"))]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{path}")]
    #[diagnostic(help("check that you may write there"))]
    Write {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{} is in another place than the repository", .0.display())]
    #[diagnostic(help("name a vault of the repository, or another repository with --repository DIR"))]
    Elsewhere(PathBuf),
    #[error("{0} is no commit of this repository")]
    #[diagnostic(help("for a table of these rows: --csv={0}"))]
    Rows(String),
    #[error("a table of who could read a secret needs its name")]
    #[diagnostic(help("name it with --secret NAME"))]
    NoSecret,
    #[error("the findings cannot be written")]
    Encode(#[source] serde_json::Error),
    #[error("the table cannot be written")]
    Table(#[source] csv::Error),
}
