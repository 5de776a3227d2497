//! The history, commit by commit.

use minijinja::{Value, context};
use vault_format::{
    Timestamp,
    audit::{Change, change::Direction},
};

use crate::audit::{
    report::{Report, Step, VaultReport, Verdict},
    words,
};

/// Up to so many steps stand open; more are folded by year.
const OPEN: usize = 24;

/// When a step was committed, as Git says; what is in the work tree only is as old as the report.
pub fn moment_of(report: &Report, step: &Step) -> Timestamp {
    step.commit.as_ref().map_or(report.made, |commit| commit.committer.at)
}

/// The steps, the newest first, by the year that Git says.
pub fn by_year(report: &Report, vault: &VaultReport, index: usize) -> Value {
    let mut years: Vec<(i32, Vec<Value>)> = Vec::new();
    for (position, step) in vault.history.iter().enumerate().rev() {
        let year = moment_of(report, step).date_time().year();
        let value = of(report, step, step_id(index, position));
        match years.iter_mut().find(|(known, _)| *known == year) {
            Some((_, steps)) => steps.push(value),
            None => years.push((year, vec![value])),
        }
    }
    let years: Vec<Value> = years.into_iter().map(|(year, steps)| context! { year, steps }).collect();
    context! { count => vault.history.len(), folded => vault.history.len() > OPEN, years }
}

/// The id of a step.
pub fn step_id(vault: usize, step: usize) -> String {
    format!("v{vault}-c{step}")
}

fn of(report: &Report, step: &Step, id: String) -> Value {
    let commit = step.commit.as_ref();
    context! {
        id,
        at => moment_of(report, step).to_string(),
        commit => commit.map(|commit| words::commit(&commit.id)),
        subject => commit.map(|commit| commit.subject.as_str()),
        committer => commit.map(|commit| commit.committer.name.as_str()),
        email => commit.map(|commit| commit.committer.email.as_str()),
        signer => step.signer.as_ref().map(|signer| signer.principal.as_str()),
        trusted => step.signer_trusted,
        differ => commit.is_some() && step.signer.is_some() && !step.signed_by_committer,
        serial => step.serial,
        verdict => step.verdict.word(),
        broken => step.verdict == Verdict::Unsound,
        follows => step.follows,
        merge => step.merge,
        side => !step.main_line,
        problems => step.problems,
        changes => step.changes.iter().map(change).collect::<Vec<_>>(),
    }
}

fn change(change: &Change) -> Value {
    let mark = match change {
        Change::Added { .. } => "added",
        Change::Rotated { .. } => "rotated",
        change if change.grows() => "grew",
        change if change.shrinks() => "shrank",
        _ => "other",
    };
    context! { mark, text => words::change(change) }
}

/// A change in few words, where the secret that it is about is known.
pub fn in_few_words(change: &Change) -> String {
    match change {
        Change::Added { .. } => "came in".to_owned(),
        Change::Removed { .. } => "taken out".to_owned(),
        Change::Renamed { from, .. } => format!("was {from} before"),
        Change::Rotated { .. } => "new value".to_owned(),
        Change::Reencrypted { .. } => "encrypted anew".to_owned(),
        Change::Gained { readers, .. } => format!("more readers: {}", words::keys(readers)),
        Change::Lost { readers, .. } => format!("fewer readers: {}", words::keys(readers)),
        Change::Access { direction: Direction::Widened, .. } => "access on machines grew".to_owned(),
        Change::Access { direction: Direction::Narrowed, .. } => "access on machines shrank".to_owned(),
        other => words::change(other),
    }
}
