//! Setting Git up in a clone.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::{GitFault, git, repository};
use crate::{cli::Common, commands, git::Repository};

/// How the hook begins that we wrote, so that it may be added to.
pub(super) const HOOK: &str =
    "#!/bin/sh\n# By `vaultgen git install`: a vault is committed sound, or not at all.\n";

/// What is before and after the path of a vault in the line that checks it.
pub(super) const LINE_START: &str = "vaultgen --vault ";
pub(super) const LINE_END: &str = " git check || exit 1";

/// What `.gitattributes` of a vault names, and what Git runs for it.
pub(super) const SETTINGS: [(&str, &str); 3] = [
    ("diff.odbox-age.textconv", "vaultgen git show"),
    ("merge.odbox-policy.name", "the policy of a vault"),
    ("merge.odbox-policy.driver", "vaultgen merge --driver %O %A %B %P"),
];

/// Installs diff, merge driver and check. Done twice, it changes nothing.
///
/// # Errors
///
/// If the vault is in no clone, there is a hook of somebody else, or its place belongs to others too.
pub fn run(common: &Common) -> miette::Result<()> {
    let repository = repository(common)?;
    let top = repository.top();
    let hook = hook(&repository)?;
    if !is_own(&hook, &repository) {
        let own = repository.common_dir().canonicalize().unwrap_or_default().join("hooks");
        return Err(InstallError::SharedHook { hook, own }.into());
    }
    let line = line(repository.vault());
    let script = match fs::read_to_string(&hook) {
        Ok(present) if present.lines().any(|other| other == line) => None,
        Ok(present) if present.starts_with(HOOK) => Some(format!("{}\n{line}\n", present.trim_end())),
        Ok(_) => return Err(InstallError::OtherHook { hook, line }.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{HOOK}{line}\n")),
        Err(error) => return Err(InstallError::Io { hook, error }.into()),
    };
    if let Some(script) = script {
        write(&hook, &script).map_err(|error| InstallError::Io { hook: hook.clone(), error })?;
    }
    for (name, value) in SETTINGS {
        git(top, &["config", "--local", name, value])?;
    }
    let done =
        "set up in this clone: readable diffs of *.age, joining of policies, a check before each commit";
    commands::say(common.quiet, done);
    Ok(())
}

/// Where Git looks for the hook.
pub(super) fn hook(repository: &Repository) -> Result<PathBuf, GitFault> {
    let top = repository.top();
    Ok(top.join(git(top, &["rev-parse", "--git-path", "hooks/pre-commit"])?))
}

/// Whether a hook lies within this repository, and so is of no other.
pub(super) fn is_own(hook: &Path, repository: &Repository) -> bool {
    let own = [repository.top(), repository.common_dir()];
    let mut own = own.into_iter().filter_map(|folder| folder.canonicalize().ok());
    existing(hook).is_some_and(|folder| own.any(|own| folder.starts_with(own)))
}

/// The line that checks a vault.
pub(super) fn line(vault: &Path) -> String {
    format!("{LINE_START}{}{LINE_END}", quoted(vault))
}

/// The nearest folder above a file that is there already, links followed.
fn existing(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())
}

/// Written beside and renamed over: Git runs the old hook or the new one.
pub(super) fn write(hook: &Path, script: &str) -> std::io::Result<()> {
    let folder = hook.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(script.as_bytes())?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
    file.persist(hook)?;
    Ok(())
}

/// The vault's path as a word of the shell; hooks run at the top of the work tree.
fn quoted(vault: &Path) -> String {
    let path = if vault.as_os_str().is_empty() { Path::new(".") } else { vault };
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Why Git was not set up.
#[derive(Debug, Error, Diagnostic)]
enum InstallError {
    #[error("{hook} is there already, and not by vaultgen")]
    #[diagnostic(help("add this line to it, and run the command again: {line}"))]
    OtherHook { hook: PathBuf, line: String },
    #[error("{hook} lies outside of this repository, and may be the hook of others (core.hooksPath)")]
    #[diagnostic(help(
        "let this repository have hooks of its own, and run the command again: `git config --local core.hooksPath {}`",
        own.display()
    ))]
    SharedHook { hook: PathBuf, own: PathBuf },
    #[error("{hook}")]
    #[diagnostic(help("check that you may write there"))]
    Io {
        hook: PathBuf,
        #[source]
        error: std::io::Error,
    },
}
