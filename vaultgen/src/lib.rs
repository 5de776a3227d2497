//! Populates and encrypts an odbox vault: the operator's and auditor's command line.
//!
//! One file per verb in `commands`; what a vault is, and how it changes, is in
//! [`vault_format`]. A secret comes in through a terminal or standard input, goes out through
//! standard output, and is never an argument, an environment variable or part of a message.
#![forbid(unsafe_code)]

mod authority;
mod cli;
mod commands;
mod git;
mod keys;
mod openssh;
mod process;
mod prompt;
mod trust;
mod vault;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use vault_format::report;

use crate::cli::{Cli, Command};

/// Runs the program on the arguments of the process.
///
/// The exit status is 0 when done or clean, 1 when it failed or the vault is not sound, and 2 for
/// wrong usage.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    process::harden();
    let command = cli.command.unwrap_or_else(|| Command::Init(commands::init::Args::default()));
    let done = match command {
        Command::Adopt(args) => commands::adopt::run(&args, &cli.common),
        Command::Grant(args) => commands::audience::grant(&args, &cli.common),
        Command::Init(args) => commands::init::run(&args, &cli.common),
        Command::Machine(args) => commands::machine::run(&args, &cli.common),
        Command::Merge(args) => commands::merge::run(&args, &cli.common),
        Command::Recipients(args) => commands::recipients::run(&args, &cli.common),
        Command::Rekey(args) => commands::rekey::run(&args, &cli.common),
        Command::Revert(args) => commands::revert::run(&args, &cli.common),
        Command::Revoke(args) => commands::audience::revoke(&args, &cli.common),
        Command::Show(args) => commands::show::run(&args, &cli.common),
        Command::Sign(args) => commands::sign::run(&args, &cli.common),
        Command::Signers(args) => commands::signers::run(&args, &cli.common),
        Command::Status(args) => commands::status::run(&args, &cli.common),
        Command::Verify(args) => commands::verify::run(&args, &cli.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be closed; there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{}", report::render(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}
