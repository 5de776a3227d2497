//! The command line: one file per command, each an `Args` and one function.

mod accept;
mod check;
mod explain;
mod keygen;
mod mount;
mod mounted;
mod reload;
mod role;
mod source;
mod status;
mod trust;
mod unmount;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use vault_format::report;

use crate::process::Role;

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
    Check(check::Args),
    Explain(explain::Args),
    Keygen(keygen::Args),
    Mount(mount::Args),
    Reload(reload::Args),
    Status(status::Args),
    Trust(trust::Args),
    Unmount(unmount::Args),
    #[command(hide = true)]
    Opener,
    #[command(hide = true)]
    Verifier,
    #[command(hide = true)]
    Resolver,
    #[command(hide = true)]
    Decryptor,
    #[command(hide = true)]
    Forgetter,
    #[command(hide = true)]
    Server,
}

/// Runs the program: exit status 0 if all went well, 1 if it failed, 2 if it was misused.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Accept(args) => accept::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Mount(args) => mount::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Unmount(args) => unmount::run(&args),
        Command::Opener => role::run(Role::Opener),
        Command::Verifier => role::run(Role::Verifier),
        Command::Resolver => role::run(Role::Resolver),
        Command::Decryptor => role::run(Role::Decryptor),
        Command::Forgetter => role::run(Role::Forgetter),
        Command::Server => role::run(Role::Server),
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
