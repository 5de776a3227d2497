//! `vaultgen git`: what Git needs to know of a vault.

mod check;
mod facts;
mod install;
mod leaks;
mod listing;
mod show;
mod uninstall;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use miette::Diagnostic;
use thiserror::Error;

use crate::{cli::Common, git::Repository};

/// Make Git know the vault: readable diffs, joined policies, a check before each commit.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set up all three in this clone: its configuration and its pre-commit hook
    Install,
    /// Undo what `install` did in this clone
    Uninstall,
    /// Check what is about to be committed: a sound vault, and no plaintext anywhere
    ///
    /// Every file that changes is searched for private keys, age identities and password hashes, also outside of the
    /// vault. What is meant to be there, as a key for tests, is named in a list with code, place, reason and last day
    /// of each, as docs/ci.md shows it. `git config odbox.allow FILE` says where that is, from the top of the
    /// repository.
    Check,
    /// Describe an age file, for `git diff`
    #[command(hide = true)]
    Show {
        /// The file
        file: PathBuf,
    },
}

/// Installs, undoes that, checks or describes.
///
/// # Errors
///
/// If the vault is in no Git work tree, Git fails, or something must not be committed.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    match &args.action {
        Action::Install => install::run(common),
        Action::Uninstall => uninstall::run(common),
        Action::Check => check::run(common),
        Action::Show { file } => show::run(file),
    }
}

/// The repository of the vault, which must be that of Git too: the environment may name another one to it.
fn repository(common: &Common) -> miette::Result<Repository> {
    let repository = Repository::of(&common.vault)?;
    let top = repository.top();
    let is = |ours: &Path, question: &str| {
        let theirs = git(top, &["rev-parse", question])?;
        let both = (ours.canonicalize(), Path::new(&theirs).canonicalize());
        Ok::<_, GitFault>(matches!(both, (Ok(ours), Ok(theirs)) if ours == theirs))
    };
    if !is(repository.git_dir(), "--absolute-git-dir")? || !is(top, "--show-toplevel")? {
        return Err(GitFault::Another.into());
    }
    Ok(repository)
}

/// Runs Git at the top of a work tree, and gives back what it prints, as text without the end of its last line.
fn git(top: &Path, arguments: &[&str]) -> Result<String, GitFault> {
    let printed = git_bytes(top, arguments)?;
    Ok(String::from_utf8_lossy(&printed).trim_end().to_owned())
}

/// As [`git`], to the byte: names of files need not be text.
fn git_bytes(top: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitFault> {
    let output = Command::new("git")
        // A repository may name a program of its own to find out what changed.
        .args(["-c", "core.fsmonitor=false"])
        .args(arguments)
        .current_dir(top)
        .stdin(Stdio::null())
        .output()
        .map_err(GitFault::Start)?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(GitFault::Failed(said.lines().next().unwrap_or("it failed").escape_debug().to_string()));
    }
    Ok(output.stdout)
}

/// Git did not do what it was to.
#[derive(Debug, Error, Diagnostic)]
enum GitFault {
    #[error("git cannot be started")]
    #[diagnostic(help("install git, and run the command again"))]
    Start(#[source] io::Error),
    #[error("git: {0}")]
    #[diagnostic(help("run it in the clone that has the vault"))]
    Failed(String),
    #[error("git works on another repository than that of the vault")]
    #[diagnostic(help("unset GIT_DIR and GIT_WORK_TREE, leave out --git-dir, and run it in the clone"))]
    Another,
}
