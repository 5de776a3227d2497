//! Plaintext that is about to be committed, anywhere in the repository.

use std::{
    fmt::Write,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use gix::ObjectId;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    AllowList, Timestamp, allow,
    cipher::Header,
    leak::{self, Leak},
};

use super::{git, git_bytes};
use crate::{commands, git::Repository};

/// The tree of no files, which every repository has without having it.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// Most findings that are shown.
const SHOWN: usize = 20;
/// What names the list of findings that are let through.
const SETTING: &str = "odbox.allow";

/// Searches every file that is another one in `tree` than in HEAD, or new.
///
/// # Errors
///
/// If there is plaintext in one that the list does not let through, or that list has a fault.
pub(super) fn check(repository: &Repository, tree: ObjectId) -> miette::Result<()> {
    let allowed = allow_list(repository.top())?;
    let today = Timestamp::now();
    let mut found = Vec::new();
    for file in changed(repository, tree)? {
        let Some(bytes) = repository.bytes_of(file.blob, leak::MAX_BYTES, &file.path)? else {
            let what = "was not searched for plaintext: it is longer than 64 MiB";
            commands::warn(&format!("{} {what}", file.shown));
            continue;
        };
        // What age wrote is random, and may look like anything.
        if Header::parse(&bytes).is_ok() {
            continue;
        }
        let leaks = leak::scan(&bytes).into_iter();
        let leaks = leaks.filter(|leak| allowed.covers(leak.what.code(), &file.path, None, today).is_none());
        found.extend(leaks.map(|leak| file.finding(leak)));
    }
    if found.is_empty() { Ok(()) } else { Err(LeakError::Found(listed(&found)).into()) }
}

/// A file that is about to be committed.
struct Changed {
    /// Its path in the repository; bytes that are no text are escaped.
    path: String,
    /// The same on one line, with nothing in it that could write on the terminal.
    shown: String,
    blob: ObjectId,
}

impl Changed {
    fn finding(&self, leak: Leak) -> String {
        format!("{}:{}: {}", self.shown, leak.line, leak.what)
    }
}

/// The files that `tree` has and HEAD has not, or has otherwise. Of two trees, Git tells this by their objects alone: no
/// setting and no attribute of the repository has a say in it.
fn changed(repository: &Repository, tree: ObjectId) -> miette::Result<Vec<Changed>> {
    let before = repository.commit("HEAD").map_or_else(|_| EMPTY_TREE.to_owned(), |head| head.to_string());
    let after = tree.to_string();
    let compare = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--no-abbrev"];
    let listed = git_bytes(repository.top(), &[&compare[..], &[&before, &after]].concat())?;
    let mut fields = listed.split(|byte| *byte == 0);
    let mut files = Vec::new();
    while let (Some(change), Some(path)) = (fields.next(), fields.next()) {
        files.extend(change_of(change, path)?);
    }
    Ok(files)
}

/// One change: `:OLD-MODE NEW-MODE OLD-ID NEW-ID STATUS`, and the path. What is gone or is no file is nothing.
fn change_of(change: &[u8], path: &[u8]) -> Result<Option<Changed>, LeakError> {
    let fields: Vec<_> = change.split(|byte| *byte == b' ').collect();
    let [_, mode, _, id, _] = fields[..] else { return Err(LeakError::Listing) };
    // A plain file, a program, or a link, which is a file with a path in it.
    if !mode.starts_with(b"10") && mode != b"120000" {
        return Ok(None);
    }
    let blob = ObjectId::from_hex(id).map_err(|_| LeakError::Listing)?;
    let (path, shown) = match std::str::from_utf8(path) {
        Ok(path) => (path.to_owned(), path.escape_debug().to_string()),
        Err(_) => (path.escape_ascii().to_string(), path.escape_ascii().to_string()),
    };
    Ok(Some(Changed { path, shown, blob }))
}

/// The list that this clone names of what is let through.
fn allow_list(top: &Path) -> miette::Result<AllowList> {
    let name = git(top, &["config", "--get", "--default", "", SETTING])?;
    if name.is_empty() {
        return Ok(AllowList::default());
    }
    let path = top.join(&name);
    let text = read(&path).map_err(|error| LeakError::List { path, error })?;
    Ok(AllowList::parse(&text, &name)?)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than it may have, so that a longer one is refused and not cut off.
    File::open(path)?.take(allow::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The findings, a line each.
fn listed(found: &[String]) -> String {
    let mut lines = String::new();
    for line in found.iter().take(SHOWN) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(lines, "\n  {line}");
    }
    if found.len() > SHOWN {
        let _ = write!(lines, "\n  and {} more", found.len() - SHOWN);
    }
    lines
}

/// Why a commit is refused that has nothing to do with the vault.
#[derive(Debug, Error, Diagnostic)]
enum LeakError {
    #[error("plaintext is about to be committed:{0}")]
    #[diagnostic(help(
        "take the file out with `git rm --cached FILE`; what is meant to be there, as a key for tests, goes into a list: \
         `vaultgen git check --help`; `git commit --no-verify` skips every check, at your own risk"
    ))]
    Found(String),
    #[error("{path}, which the setting {SETTING} names")]
    #[diagnostic(help(
        "name a list relative to the top of the repository, or none: `git config --unset {SETTING}`"
    ))]
    List {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("git listed the changed files in another way than it should")]
    #[diagnostic(help("check which program `git` is"))]
    Listing,
}
