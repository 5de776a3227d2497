//! `deploy check`.

use std::io::{self, Write};

use miette::IntoDiagnostic;

use crate::{
    checkers::{self, Outcome, Verdict},
    cli::{Ended, NodeArgs},
    pipeline,
};

/// Check a node: all assertions, and every rendered file by its own program's checker.
///
/// A checker that is not installed is listed as skipped.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Fail if a checker is not installed.
    #[arg(long)]
    strict: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// Everything that is wrong with the node.
pub fn run(args: &Args) -> miette::Result<Ended> {
    let (resolved, tree) = pipeline::render(&args.node.node, args.node.variant)?;
    let outcomes = checkers::run(&resolved, &tree)?;
    print(&outcomes).into_diagnostic()?;
    let is_bad = outcomes.iter().any(|outcome| match outcome.verdict {
        Verdict::Passed | Verdict::Warned(_) => false,
        Verdict::Failed(_) => true,
        Verdict::Skipped(_) => args.strict,
    });
    Ok(if is_bad { Ended::Badly } else { Ended::Well })
}

fn print(outcomes: &[Outcome]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for Outcome { subject, checker, verdict } in outcomes {
        match verdict {
            Verdict::Passed => writeln!(out, "ok       {checker}: {subject}")?,
            Verdict::Failed(why) => writeln!(out, "FAILED   {checker}: {subject}: {why}")?,
            Verdict::Warned(why) => writeln!(out, "warning  {checker}: {subject}: {why}")?,
            Verdict::Skipped(why) => writeln!(out, "skipped  {checker}: {subject}: {why}")?,
        }
    }
    Ok(())
}
