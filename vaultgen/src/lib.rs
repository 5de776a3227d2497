//! Populates and encrypts an odbox vault: the operator's and auditor's command line.
//!
//! One file per verb in `commands`; what a vault is, and how it changes, is in
//! [`vault_format`]. A secret comes in through a terminal or standard input, goes out through
//! standard output, and is never an argument, an environment variable or part of a message.
#![forbid(unsafe_code)]

mod audit;
mod authority;
mod certificate;
mod cli;
mod commands;
mod former;
mod git;
mod home;
mod input;
mod json;
mod key_type;
mod keys;
mod no_secret;
mod openssh;
mod plugins;
mod process;
mod progress;
mod prompt;
mod signals;
mod trust;
mod usage;
mod vault;

use std::{io::Write, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, parser::ValueSource};
use vault_format::report;

use crate::{
    cli::{Cli, Command},
    usage::UsageError,
};

/// Runs the program on the arguments of the process.
///
/// The exit status is 0 when done or clean, 1 when it failed or the vault is not sound, and 2 for
/// wrong usage.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => match usage::without_repeating(&error) {
            Some(error) => return failed(&error.into()),
            None => error.exit(),
        },
    };
    process::harden();
    if cli.common.json && !cli.has_json() {
        return failed(&UsageError::NoJson.into());
    }
    if !(cli.common.batch || cli.common.json || cli.common.quiet) {
        progress::show();
    }
    plugins::install(cli.common.batch);
    let command = cli.command.unwrap_or_else(|| Command::Init(commands::init::Args::default()));
    let done = match command {
        Command::Add(args) => commands::add::run(&args, &cli.common),
        Command::Admin(args) => args.run(&cli.common),
        Command::Adopt(args) => commands::adopt::run(&args, &cli.common),
        Command::Audit(args) => commands::audit::run(&args, &cli.common),
        Command::Certs(args) => commands::certs::run(&args, &cli.common),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Edit(args) => commands::edit::run(&args, &cli.common),
        Command::Git(args) => commands::git::run(&args, &cli.common),
        Command::Grant(args) => commands::audience::grant(&args, &cli.common),
        Command::Graph(args) => commands::graph::run(&args, &cli.common),
        Command::Import(args) => commands::import::run(&args, &cli.common),
        Command::Init(args) => commands::init::run(&args, &cli.common),
        Command::Machine(args) => commands::machine::run(&args, &cli.common),
        Command::Man(args) => commands::completions::manual(&args),
        Command::Merge(args) => commands::merge::run(&args, &cli.common),
        Command::OdooAdmin(args) => args.run(&cli.common),
        Command::Password(args) => commands::password::run(&args, &cli.common),
        Command::PgadminAdmin(args) => args.run(&cli.common),
        Command::Recipients(args) => commands::recipients::run(&args, &cli.common),
        Command::Rekey(args) => commands::rekey::run(&args, &cli.common),
        Command::Remove(args) => commands::remove::run(&args, &cli.common),
        Command::Revert(args) => commands::revert::run(&args, &cli.common),
        Command::Revoke(args) => commands::audience::revoke(&args, &cli.common),
        Command::Root(args) => args.run(&cli.common),
        Command::Rotate(args) => commands::rotate::run(&args, &cli.common),
        Command::Show(args) => commands::show::run(&args, &cli.common),
        Command::Sign(args) => commands::sign::run(&args, &cli.common),
        Command::Signers(args) => commands::signers::run(&args, &cli.common),
        Command::Status(args) => commands::status::run(&args, &cli.common),
        Command::Verify(args) => commands::verify::run(&args, &cli.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if cli.common.json {
                json::print_failure(&failure);
            }
            failed(&failure)
        }
    }
}

/// The command line, and whether it names the vault.
fn parse() -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches()?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let verb = matches.subcommand().map(|(_, matches)| matches);
    let source = verb.unwrap_or(&matches).value_source("vault");
    cli.common.names_vault = source == Some(ValueSource::CommandLine);
    Ok(cli)
}

fn failed(failure: &miette::Report) -> ExitCode {
    // Standard error may be closed; there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{}", report::render(failure.as_ref()));
    if failure.is::<UsageError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
