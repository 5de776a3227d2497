//! `vaultgen completions`: scripts for shells; and the manual, for those who package it.

use std::{io, path::PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::Cli;

/// Print the script that completes vaultgen's verbs and flags in a shell.
///
/// For bash: `vaultgen completions bash > ~/.local/share/bash-completion/completions/vaultgen`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write a man page for each verb into a folder.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder, which must exist
    folder: PathBuf,
}

/// Prints the script.
///
/// # Errors
///
/// If standard output cannot be written to.
pub fn run(args: &Args) -> miette::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vaultgen", &mut script);
    Ok(io::Write::write_all(&mut io::stdout(), &script).map_err(PagesError::Output)?)
}

/// Writes the pages.
///
/// # Errors
///
/// If the folder cannot be written to.
pub fn manual(args: &ManArgs) -> miette::Result<()> {
    let written = clap_mangen::generate_to(Cli::command(), &args.folder);
    Ok(written.map_err(|error| PagesError::Folder { folder: args.folder.clone(), error })?)
}

/// Why nothing was written.
#[derive(Debug, Error, Diagnostic)]
enum PagesError {
    #[error("standard output")]
    #[diagnostic(help("redirect it to a file that you may write"))]
    Output(#[source] io::Error),
    #[error("{folder}")]
    #[diagnostic(help("name a folder that exists and that you may write to"))]
    Folder {
        folder: PathBuf,
        #[source]
        error: io::Error,
    },
}
