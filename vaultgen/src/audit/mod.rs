//! What an auditor sees of a vault in Git without a private key.
//!
//! [`audit`] reads top-down: open the repository, find out which commits are asked about, walk them from the oldest
//! to the newest, read the last state of each vault, and judge it. The rooms:
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`repository`] | Git's objects, read without a checkout |
//! | [`span`] | which commits are asked about |
//! | [`history`] | the commits, from the oldest to the newest |
//! | [`ahead`] | commits read on all cores before the walk comes to them |
//! | [`turn`] | what a commit changed in a vault, and whether it follows from the one before |
//! | [`folders`] | where in a repository vaults lie |
//! | [`reading`] | one state, verified or as far as it can be read |
//! | [`seen`] | what the files of a history are, each looked at once |
//! | [`leaks`] | what came into the repository that should not have |
//! | [`auditor`] | the last state of each vault, and what is wrong with it |
//! | [`access`] | who could read a secret, and when |
//! | [`period`] | a day, a month or a year |
//! | [`report`] | the result, as it is printed in JSON |
//! | [`allowance`] | what somebody looked at and allowed |
//! | [`text`], [`table`], [`sarif`] | the result for a terminal, for tables, for code hosts |
//! | [`page`] | the result as one page for a browser |
//! | [`keyring`] | whose a key was |
//! | [`words`] | changes and places in words |

pub mod access;
pub mod ahead;
pub mod allowance;
pub mod auditor;
pub mod folders;
pub mod history;
pub mod keyring;
pub mod leaks;
pub mod page;
pub mod period;
pub mod reading;
pub mod report;
pub mod repository;
pub mod sarif;
pub mod seen;
pub mod span;
pub mod table;
pub mod text;
pub mod turn;
pub mod words;

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    POLICY_FILE, SecretName, Timestamp,
    audit::{Code, Finding, Grade, Place, state::SignerFacts},
    signers::AllowedSigners,
};

use self::{
    access::Watched,
    auditor::Auditor,
    history::{History, Walk},
    period::Period,
    report::{Question, Report, Scope, Trust},
    repository::Repository,
    seen::Seen,
    span::Span,
};

/// What is asked.
#[derive(Debug)]
pub struct Inquiry {
    /// A folder of the repository.
    pub repository: PathBuf,
    /// Only the vault in this folder of it.
    pub vault: Option<String>,
    /// A revision, or two with `..` between; the work tree where there is none.
    pub revision: Option<String>,
    /// The signers from outside of the repository.
    pub trusted: Option<AllowedSigners>,
    /// A day, a month or a year.
    pub at: Option<Period>,
    /// A secret.
    pub secret: Option<SecretName>,
    /// The moment.
    pub now: Timestamp,
}

/// Answers an inquiry.
///
/// # Errors
///
/// If there is no repository, no such revision, no vault in it, or no such secret.
pub fn audit(inquiry: &Inquiry) -> miette::Result<Report> {
    let repository = Repository::discover(&inquiry.repository)?;
    let span = Span::of(&repository, inquiry)?;
    let seen = Seen::default();
    let watched = inquiry.secret.clone().map(Watched::new);
    let trusted = inquiry.trusted.as_ref();
    let walk = Walk::new(&repository, trusted, inquiry.vault.as_deref(), &seen, watched);
    let history = match span.tip {
        Some(tip) => walk.run(tip, span.hidden)?,
        None => History::nothing(),
    };
    let mut auditor = Auditor::new(inquiry, &repository, &seen, span.at.as_ref(), history);
    let vaults = match (&span.scope, &span.at) {
        (Scope::WorkTree { .. }, None) => auditor.of_work_tree()?,
        (_, Some(at)) => auditor.of_commit(repository.commit(&at.commit)?)?,
        (_, None) => auditor.of_last_commit(),
    };
    if vaults.is_empty() {
        return Err(AuditError::NoVault(inquiry.vault.clone()).into());
    }
    if let Some(secret) = auditor.unknown_secret() {
        return Err(AuditError::NoSecret(secret.clone()).into());
    }
    let shallow = repository.is_shallow();
    let mut findings = auditor.findings(&vaults);
    findings.extend(shallow.then(shallow_finding));
    sort(&mut findings);
    Ok(Report {
        made: inquiry.now,
        question: Question {
            scope: span.scope,
            secret: inquiry.secret.as_ref().map(ToString::to_string),
            at: span.at,
            shallow,
        },
        trust: trust(trusted),
        vaults: vaults.into_iter().map(|vault| vault.report).collect(),
        findings,
        allowed: Vec::new(),
        notes: Vec::new(),
    })
}

/// The worst first.
fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|one, other| {
        let order = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.code);
        order(one).cmp(&order(other)).then_with(|| one.place.cmp(&other.place))
    });
    findings.dedup();
}

fn trust(trusted: Option<&AllowedSigners>) -> Trust {
    Trust {
        from_outside: trusted.is_some(),
        statement: match trusted {
            Some(_) => "signatures are held against the list of signers that was passed in",
            None => "signer not authenticated: trust anchored in this repository",
        },
        signers: trusted.into_iter().flat_map(AllowedSigners::iter).map(SignerFacts::of).collect(),
    }
}

fn shallow_finding() -> Finding {
    let reason = "this clone is shallow: what came before its first commit was not looked at";
    Finding::new(Code::Shallow, Grade::Proved, Place::default(), reason)
}

/// Why there is nothing to report.
#[derive(Debug, Error, Diagnostic)]
pub enum AuditError {
    /// No vault.
    #[error("{}", no_vault(.0.as_deref()))]
    #[diagnostic(help(
        "a vault is a folder with {POLICY_FILE}; name another repository with --repository DIR, or leave out --vault"
    ))]
    NoVault(Option<String>),
    /// No such secret, now or ever.
    #[error("no vault of this repository ever had the secret {0}")]
    #[diagnostic(help("`vaultgen audit` lists the secrets by name"))]
    NoSecret(SecretName),
    /// Nothing that old.
    #[error("this repository has no commit as old as {name}")]
    #[diagnostic(help("{hint}"))]
    Before {
        /// The time as it was named.
        name: String,
        /// What may help.
        hint: String,
    },
    /// A time to come.
    #[error("{0} has not begun")]
    #[diagnostic(help("--at is for what was: a day, a month or a year up to today, in UTC"))]
    NotYet(String),
    /// A range, and a question about all of the history.
    #[error("{0} leaves out what came before, and --secret and --at ask about all of the history")]
    #[diagnostic(help("name its end alone: `vaultgen audit REV --secret NAME --at DATE`"))]
    PartOfHistory(String),
    /// A range of another kind.
    #[error("three dots name two lines of history, and an audit follows one")]
    #[diagnostic(help("write A..B: what led to B and not to A"))]
    ThreeDots,
}

fn no_vault(folder: Option<&str>) -> String {
    match folder {
        None => "there is no vault in this repository".to_owned(),
        Some(folder) => format!("there is no vault at {folder:?} in this repository"),
    }
}
