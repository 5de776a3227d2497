//! What the programs themselves say of the files that are theirs.
//!
//! Each checker is one file: it says which program it runs, and what of a tree it looks at. It runs nothing as root
//! that it could run otherwise, reaches no network, and writes to a temporary folder only.

mod example_vault;
mod services_of_secrets;

use std::path::Path;

use crate::{pipeline::Resolved, tree::Tree};

/// What came of a checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program takes the files.
    Passed,
    /// It does not: what it said.
    Failed(String),
    /// It does, and this is to be looked at all the same.
    Warned(String),
    /// It is not here.
    Skipped(String),
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

/// What a checker may look at.
pub struct Subject<'a> {
    /// The system.
    pub resolved: &'a Resolved,
    /// Its files.
    pub tree: &'a Tree,
    /// The same files on disk, below a folder that is the machine's root.
    pub root: &'a Path,
}

/// A checker: looks at a subject, and tells what came of it.
type Checker = fn(&Subject<'_>) -> Vec<Outcome>;

/// All of them.
const CHECKERS: [Checker; 2] = [example_vault::check, services_of_secrets::check];

/// Has every program look at its files.
#[must_use]
pub fn run(subject: &Subject<'_>) -> Vec<Outcome> {
    CHECKERS.iter().flat_map(|checker| checker(subject)).collect()
}
