//! Setting Git up in a clone.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::git;
use crate::{cli::Common, commands, git::Repository};

/// How the hook begins that we wrote, so that it may be added to.
const HOOK: &str = "#!/bin/sh\n# By `vaultgen git install`: a vault is committed sound, or not at all.\n";

/// What `.gitattributes` of a vault names, and what Git runs for it.
const SETTINGS: [(&str, &str); 3] = [
    ("diff.odbox-age.textconv", "vaultgen git show"),
    ("merge.odbox-policy.name", "the policy of a vault"),
    ("merge.odbox-policy.driver", "vaultgen merge --driver %O %A %B %P"),
];

/// Installs diff, merge driver and check. Done twice, it changes nothing.
///
/// # Errors
///
/// If the vault is in no clone, or there is a hook of somebody else.
pub fn run(common: &Common) -> miette::Result<()> {
    let repository = Repository::of(&common.vault)?;
    let top = repository.top();
    let hook = top.join(git(top, &["rev-parse", "--git-path", "hooks/pre-commit"])?);
    let line = format!("vaultgen --vault {} git check || exit 1\n", quoted(repository.vault()));
    let script = match fs::read_to_string(&hook) {
        Ok(present) if present.contains(&line) => None,
        Ok(present) if present.starts_with(HOOK) => Some(present + &line),
        Ok(_) => return Err(InstallError::OtherHook { hook, line: line.trim_end().to_owned() }.into()),
        Err(_) => Some(format!("{HOOK}{line}")),
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

/// Written beside and renamed over: Git runs the old hook or the new one.
fn write(hook: &Path, script: &str) -> std::io::Result<()> {
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
    #[error("{hook}")]
    #[diagnostic(help("check that you may write there"))]
    Io {
        hook: PathBuf,
        #[source]
        error: std::io::Error,
    },
}
