//! What came into a repository that should not have: plaintext in any file, and files that a vault keeps out.

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

use gix::ObjectId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    CIPHERTEXT_SUFFIX,
    audit::{Code, Finding, Grade, Place, Severity},
    cipher::{self, Header},
    leak::{self, Leak, Secret},
};

use super::{
    history::is_in,
    reading::Reading,
    repository::{FileChange, Repository},
};
use crate::commands::status::key_files::is_private_key;

/// Longest file that is looked into: far longer than any key that somebody leaves lying about.
const MAX_LOOKED_INTO: u64 = 64 << 20;

/// Looks at each file of a history once.
#[derive(Default)]
pub struct Leaks {
    seen: HashSet<ObjectId>,
    findings: Vec<Finding>,
}

/// A file that a commit brought.
struct Arrival {
    path: Vec<u8>,
    blob: ObjectId,
}

impl Leaks {
    /// Looks at what a commit brought.
    pub fn look_at<'c>(
        &mut self,
        repository: &Repository,
        vaults: &BTreeMap<String, Rc<Reading>>,
        commit: ObjectId,
        changes: impl Iterator<Item = &'c FileChange>,
    ) {
        let came = changes.filter_map(|change| {
            let (blob, mode) = change.now?;
            mode.is_blob().then(|| Arrival { path: change.path.clone(), blob })
        });
        let came: Vec<Arrival> = came.collect();
        for arrival in &came {
            let misplaced = misplaced(arrival, vaults);
            self.findings.extend(misplaced.map(|(code, reason)| arrival.finding(code, None, commit, reason)));
        }
        let new: Vec<Arrival> = came.into_iter().filter(|arrival| self.seen.insert(arrival.blob)).collect();
        let shared = repository.shared();
        let looked_at: Vec<Vec<Finding>> = new
            .into_par_iter()
            .map_init(
                || shared.to_thread_local(),
                |repository, arrival| arrival.look_into(repository, commit),
            )
            .collect();
        self.findings.extend(looked_at.into_iter().flatten());
    }

    /// What was found, the oldest first.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

impl Arrival {
    fn finding(&self, code: Code, line: Option<usize>, commit: ObjectId, reason: String) -> Finding {
        let path = shown(&self.path);
        Finding::new(code, Grade::Proved, Place { path, line, commit: Some(commit.to_string()) }, reason)
    }

    fn look_into(&self, repository: &gix::Repository, commit: ObjectId) -> Vec<Finding> {
        let size = match repository.find_header(self.blob) {
            Ok(header) => header.size(),
            Err(_) => {
                let reason = "its object is missing from this clone".to_owned();
                return vec![self.finding(Code::NotLookedInto, None, commit, reason)];
            }
        };
        if size > MAX_LOOKED_INTO {
            let reason =
                format!("it has {size} bytes; only the first {MAX_LOOKED_INTO} would be looked into");
            return vec![self.finding(Code::NotLookedInto, None, commit, reason)];
        }
        let Ok(blob) = repository.find_blob(self.blob) else { return Vec::new() };
        if is_ciphertext(&blob.data) {
            return Vec::new();
        }
        leak::scan(&blob.data).into_iter().map(|leak| self.leak(&leak, commit)).collect()
    }

    fn leak(&self, leak: &Leak, commit: ObjectId) -> Finding {
        let finding = self.finding(code_of(leak.what), Some(leak.line), commit, leak.what.to_string());
        if leak.what.is_protected() { finding.at(Severity::Medium) } else { finding }
    }
}

fn code_of(secret: Secret) -> Code {
    match secret {
        Secret::PrivateKey { .. } => Code::PrivateKey,
        Secret::AgeIdentity | Secret::AgePluginIdentity => Code::AgeIdentity,
        Secret::PasswordHash(_) => Code::PasswordHash,
    }
}

/// Whether all of a file is what age made.
fn is_ciphertext(bytes: &[u8]) -> bool {
    Header::parse(bytes).is_ok() && cipher::plaintext_len(bytes).is_ok()
}

/// Why a file should not be where it is, by its name.
fn misplaced(arrival: &Arrival, vaults: &BTreeMap<String, Rc<Reading>>) -> Option<(Code, String)> {
    let (folder, vault) = vaults.iter().find(|(folder, _)| is_in(&arrival.path, folder))?;
    let path = std::str::from_utf8(&arrival.path).ok()?;
    let path = if folder.is_empty() { path } else { &path[folder.len() + 1..] };
    if is_private_key(path) {
        return Some((Code::IgnoredFile, format!("{path} is a private key of the vault in {folder:?}")));
    }
    let ciphertext = format!("{path}{CIPHERTEXT_SUFFIX}");
    vault.entries.contains(&ciphertext).then(|| {
        (Code::PlaintextBeside, format!("{path} lies beside {ciphertext}, and looks like its plaintext"))
    })
}

/// A path for people: it may be anything but text.
pub fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) => vault_format::report::visible(text).replace('\n', "\\n"),
        Err(_) => path.escape_ascii().to_string(),
    }
}
