//! What the programs themselves say of the files that are theirs.
//!
//! Each checker is one file: it says which program it runs, and what of a tree it looks at. It runs nothing as root
//! that it could run otherwise, reaches no network, and writes to a temporary folder only. Where a file names what is
//! on the machine alone (a key, a user, a socket), the checker says what it puts in its place.

mod accounts;
mod caddy;
mod calendar;
mod example_vault;
mod fstab;
mod nftables;
mod nginx;
mod odoo;
mod openssl;
mod postgresql;
mod program;
mod python;
mod security;
mod services_of_secrets;
mod shell;
mod sshd;
mod stand_in;
mod subject;
mod sudoers;
mod tmpfiles;
mod units;
mod vaultd;

use std::{collections::BTreeMap, io};

pub use self::subject::Subject;
use crate::{pipeline::Resolved, tree::Tree};

/// What came of a checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program takes the files.
    Passed,
    /// It does, and this is to be looked at all the same.
    Warned(String),
    /// It does not: what it said.
    Failed(String),
    /// It is not here.
    Skipped(String),
}

impl From<io::Error> for Verdict {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("it cannot be run: {error}"))
    }
}

/// One result: what was looked at, by what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was looked at, such as `/etc/nginx/nginx.conf`.
    pub subject: String,
    /// By which program, such as `nginx -t`.
    pub checker: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

impl Outcome {
    /// What came of a look that ended early where it could not go on.
    fn of(checker: &'static str, subject: impl Into<String>, judged: Result<Verdict, Verdict>) -> Self {
        Self { subject: subject.into(), checker, verdict: judged.unwrap_or_else(|verdict| verdict) }
    }
}

/// A checker: looks at a subject, and tells what came of it.
type Checker = fn(&Subject<'_>) -> Vec<Outcome>;

/// All of them, in the order in which they are told.
const CHECKERS: &[Checker] = &[
    example_vault::check,
    services_of_secrets::check,
    units::check,
    security::check,
    calendar::check,
    accounts::check,
    tmpfiles::check,
    fstab::check,
    shell::check,
    python::check,
    nginx::check,
    caddy::check,
    postgresql::check,
    odoo::check,
    sshd::check,
    sudoers::check,
    nftables::check,
    openssl::check,
    vaultd::check,
];

/// Has every program look at its files.
///
/// # Errors
///
/// If the files cannot be laid out for them.
pub fn run(resolved: &Resolved, tree: &Tree) -> miette::Result<Vec<Outcome>> {
    let folder = subject::laid_out(tree)?;
    let subject = Subject::new(resolved, tree, folder.path());
    Ok(CHECKERS.iter().flat_map(|checker| checker(&subject)).collect())
}

/// How exposed each service of a system is, as `systemd-analyze security` has it; none for one that it does not load.
///
/// # Errors
///
/// Why it cannot be told.
pub fn exposures(
    resolved: &Resolved,
    tree: &Tree,
) -> miette::Result<Result<BTreeMap<String, Option<String>>, Verdict>> {
    let folder = subject::laid_out(tree)?;
    let exposures = security::exposures(&Subject::new(resolved, tree, folder.path()));
    let shown = |(name, exposure): (&str, Option<u32>)| (name.to_owned(), exposure.map(security::tenths));
    Ok(exposures.map(|exposures| exposures.into_iter().map(shown).collect()))
}

#[cfg(test)]
mod tests;
