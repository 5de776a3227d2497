//! The command line: one file per command, each an `Args` and one function.

mod accept;
mod mount;
mod trust;
mod unmount;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use vault_format::report;

/// Serves a verified vault from memory, each file to the services it is for
#[derive(Debug, Parser)]
#[command(name = "vaultd", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Accept(accept::Args),
    Mount(mount::Args),
    Trust(trust::Args),
    Unmount(unmount::Args),
}

/// Runs the program: exit status 0 if all went well, 1 if it failed, 2 if it was misused.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Accept(args) => accept::run(&args),
        Command::Mount(args) => mount::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Unmount(args) => unmount::run(&args),
    };
    outcome.unwrap_or_else(|failure| {
        // Standard error may be closed; there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{}", report::render(failure.as_ref()));
        ExitCode::FAILURE
    })
}

/// Standard output may be closed or full, which is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
