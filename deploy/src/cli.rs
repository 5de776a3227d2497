//! The command line: what `--help` says.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use vault_format::report;

use crate::{
    commands::{check, diff, list, render},
    node::Variant,
    problem::Problems,
};

const EXIT_STATUS: &str = "Exit status: 0 done or clean, 1 failed, not sound or different, 2 wrong usage.";

/// Provision a whole machine from one typed description.
#[derive(Debug, Parser)]
#[command(name = "deploy", version, max_term_width = 100, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Check(check::Args),
    Render(render::Args),
    Diff(diff::Args),
}

/// A node, and which of its two systems.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// The name of a shipped node (`deploy list`), or the path of a node file.
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Everything, or everything except a running Odoo, so that data can be loaded.
    #[arg(long, value_name = "VARIANT", default_value = "run")]
    pub variant: Variant,
}

impl ValueEnum for Variant {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Run, Self::Bootstrap]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

/// How a verb ended that did not fail.
pub enum Ended {
    /// Done, or clean.
    Well,
    /// Done, and what it found is bad news, which it has told.
    Badly,
}

/// Runs the program on the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::List(args) => list::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Diff(args) => diff::run(&args),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::FAILURE,
        // Whoever read what we print has seen enough, such as head(1).
        Err(error) if is_broken_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &miette::Report) -> bool {
    let is_one = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_one)
}

/// Tells an error, or each of several.
fn tell(error: &miette::Report) {
    // Standard error may be closed; there is nobody left to tell.
    let mut stderr = std::io::stderr().lock();
    match error.downcast_ref::<Problems>() {
        Some(problems) => {
            for problem in problems.iter() {
                let _ = writeln!(stderr, "{}", report::render(problem));
            }
        }
        None => {
            let _ = writeln!(stderr, "{}", report::render(error.as_ref()));
        }
    }
}
