//! The operator's key files in the vault's folder, and what Git could do to them.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Serialize;
use vault_format::{IDENTITY_FILE, OLD_IDENTITY_FILE, RECOVERY_FILE, SIGNING_KEY_FILE, key_file::KeyFile};

use crate::{
    cli::Common,
    keys::{self, IDENTITY_VARIABLE, KeyError, SIGN_KEY_VARIABLE},
};

/// Where private keys lie that should not.
#[derive(Serialize)]
pub struct KeyFiles {
    /// Private keys that Git knows: whoever has the repository has them.
    pub tracked: Vec<String>,
    /// Why Git could not be asked, if the vault lies in a Git work tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    /// Keys that open or sign the vault, whose only known copy lies in a Git work tree.
    pub only_copies: Vec<String>,
    /// The recovery identity, which belongs elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
}

impl KeyFiles {
    /// Looks at the vault in `folder`.
    ///
    /// # Errors
    ///
    /// If a key file that is there cannot be read.
    pub fn look(folder: &Path, common: &Common) -> Result<Self, KeyError> {
        let work_tree = work_tree(folder);
        let (tracked, unchecked) = match work_tree.as_deref().map(|_| tracked(folder)) {
            None => (Vec::new(), None),
            Some(Ok(tracked)) => (tracked.into_iter().filter(|path| is_private_key(path)).collect(), None),
            Some(Err(why)) => (Vec::new(), Some(why)),
        };
        let only_copies = match work_tree {
            Some(work_tree) => only_copies(folder, &work_tree, common)?,
            None => Vec::new(),
        };
        let recovery = folder.join(RECOVERY_FILE).exists().then(|| RECOVERY_FILE.to_owned());
        Ok(Self { tracked, unchecked, only_copies, recovery })
    }
}

/// The Git work tree that a folder lies in, if it does.
fn work_tree(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().find(|above| above.join(".git").exists()).map(Path::to_owned)
}

/// Every file of the vault in `folder` that is in the index of Git, if it lies in a work tree and that can
/// be told.
pub fn known_to_git(folder: &Path) -> Vec<String> {
    work_tree(folder).and_then(|_| tracked(folder).ok()).unwrap_or_default()
}

/// What is in the index of Git; or why it could not be read.
fn tracked(folder: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        // A repository may name a program of its own to find out what changed.
        .args(["-c", "core.fsmonitor=false", "ls-files", "-z"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "git is not installed".to_owned(),
            _ => format!("git: {error}"),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("git failed").to_owned());
    }
    let paths = output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    Ok(paths.map(String::from).collect())
}

/// Whether a path in the vault is where a private key lies that must not get into Git.
#[must_use]
pub fn is_private_key(path: &str) -> bool {
    let machine_key = path.strip_prefix("machines/").is_some_and(|name| name.ends_with(".key"));
    [IDENTITY_FILE, OLD_IDENTITY_FILE, SIGNING_KEY_FILE, RECOVERY_FILE].contains(&path) || machine_key
}

/// The identity and the signing key, unless the same bytes are in a file outside of the work tree that
/// the operator named, or that is looked for anyway.
fn only_copies(folder: &Path, work_tree: &Path, common: &Common) -> Result<Vec<String>, KeyError> {
    let variable = env::var_os(IDENTITY_VARIABLE).map(PathBuf::from);
    let sign_variable = env::var_os(SIGN_KEY_VARIABLE).map(PathBuf::from);
    let identities: Vec<&PathBuf> = common.identities.iter().chain(&variable).collect();
    let signing_keys: Vec<&PathBuf> = common.sign_key.iter().chain(&sign_variable).collect();
    let mut only = Vec::new();
    for (name, named) in [(IDENTITY_FILE, identities), (SIGNING_KEY_FILE, signing_keys)] {
        let usual = keys::usual(name);
        let mut copies = named.into_iter().chain(&usual);
        let Some(key) = KeyFile::read_if_present(&folder.join(name))? else { continue };
        let is_copy = |path: &PathBuf| {
            let outside = path.canonicalize().is_ok_and(|path| !path.starts_with(work_tree));
            outside && KeyFile::read(path).is_ok_and(|copy| copy.text == key.text)
        };
        if !copies.any(is_copy) {
            only.push(name.to_owned());
        }
    }
    Ok(only)
}
