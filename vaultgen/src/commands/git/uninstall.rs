//! Undoing what was set up in a clone, and nothing else.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;

use super::{
    GitFault, git, git_bytes,
    install::{self, HOOK, LINE_END, LINE_START, SETTINGS},
    repository,
};
use crate::{cli::Common, commands};

/// Takes out our lines of our hook, and our settings where nobody changed them. Done twice, it changes nothing.
///
/// # Errors
///
/// If the vault is in no clone, or the hook cannot be written.
pub fn run(common: &Common) -> miette::Result<()> {
    let repository = repository(common)?;
    let hook = install::hook(&repository)?;
    let line = install::line(repository.vault());
    let io = |error| UninstallError { hook: hook.clone(), error };
    let left =
        if install::is_own(&hook, &repository) { take_out(&hook, &line).map_err(io)? } else { Left::NoHook };
    let was_set = match left {
        // They are for all vaults of the clone.
        Left::OtherVaults => {
            commands::say(
                common.quiet,
                "another vault of this clone is still checked: readable diffs and joining stay",
            );
            return Ok(());
        }
        Left::Hook | Left::NoHook => unset(repository.top())?,
        Left::OtherHook => {
            commands::warn(&format!(
                "{} is not by vaultgen: take this line out of it: {line}",
                hook.display()
            ));
            unset(repository.top())?
        }
    };
    let done = match (was_set, left) {
        (false, Left::NoHook) => "nothing was set up in this clone",
        _ => {
            "no longer set up in this clone: readable diffs of *.age, joining of policies, a check before each commit"
        }
    };
    commands::say(common.quiet, done);
    Ok(())
}

/// What there is of hooks after our line was taken out.
#[derive(Clone, Copy)]
enum Left {
    /// There was none of ours.
    NoHook,
    /// None that checks a vault.
    Hook,
    /// One that checks other vaults.
    OtherVaults,
    /// One of somebody else, who put our line into it.
    OtherHook,
}

/// Takes our line out of the hook, and the hook away if nothing else is in it. What others added stays, and so does its
/// head, by which we know it for ours.
fn take_out(hook: &Path, line: &str) -> io::Result<Left> {
    let script = match fs::read_to_string(hook) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Left::NoHook),
        // No text, so not by us.
        Err(error) if error.kind() == ErrorKind::InvalidData => return Ok(Left::NoHook),
        script => script?,
    };
    let has_line = script.lines().any(|other| other == line);
    if !script.starts_with(HOOK) {
        return Ok(if has_line { Left::OtherHook } else { Left::NoHook });
    }
    let kept: String =
        script.split_inclusive('\n').filter(|other| other.trim_end_matches('\n') != line).collect();
    if kept.trim_end() == HOOK.trim_end() {
        fs::remove_file(hook)?;
    } else if has_line {
        install::write(hook, &kept)?;
    }
    let is_check = |other: &str| other.starts_with(LINE_START) && other.ends_with(LINE_END);
    Ok(if kept.lines().any(is_check) { Left::OtherVaults } else { Left::Hook })
}

/// Takes our settings out of the clone's configuration, and says whether there were any.
fn unset(top: &Path) -> Result<bool, GitFault> {
    let present = git_bytes(top, &["config", "--local", "--null", "--list"])?;
    let present: Vec<_> = present.split(|byte| *byte == 0).collect();
    let mut was_set = false;
    for (name, value) in SETTINGS {
        // As Git lists it; there may be others of this name, which are not ours.
        if present.contains(&format!("{name}\n{value}").as_bytes()) {
            git(top, &["config", "--local", "--fixed-value", "--unset-all", name, value])?;
            was_set = true;
        }
    }
    Ok(was_set)
}

/// The hook cannot be changed.
#[derive(Debug, Error, Diagnostic)]
#[error("{hook}")]
#[diagnostic(help("check that you may write there"))]
struct UninstallError {
    hook: PathBuf,
    #[source]
    error: io::Error,
}
