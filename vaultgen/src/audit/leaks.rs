//! What came into a repository that should not have: plaintext in any file, and files that a vault keeps out.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

use gix::{ObjectId, ThreadSafeRepository};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    CIPHERTEXT_SUFFIX,
    audit::{Code, Finding, Grade, Place, Severity},
    cipher::{self, Header},
    leak::{self, Leak, Secret},
};

use super::{
    folders::is_in,
    reading::Reading,
    repository::{FileChange, Repository},
    seen::Seen,
};
use crate::commands::status::key_files::is_private_key;

/// Looks at what the commits of a history bring.
#[derive(Default)]
pub struct Leaks {
    told: HashSet<(ObjectId, Vec<u8>)>,
    findings: Vec<Finding>,
}

/// What is to be told of a file, wherever it lies.
#[derive(Clone, Debug)]
pub struct Sight {
    code: Code,
    severity: Severity,
    line: Option<usize>,
    reason: String,
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
        seen: &Seen,
        vaults: &BTreeMap<String, Rc<Reading>>,
        commit: ObjectId,
        changes: impl Iterator<Item = &'c FileChange>,
    ) {
        let came = changes.filter_map(|change| {
            let blob = change.blob()?;
            Some(Arrival { path: change.path.clone(), blob })
        });
        let came: Vec<Arrival> = came.collect();
        for arrival in &came {
            let misplaced = misplaced(arrival, vaults);
            self.findings.extend(misplaced.map(|(code, reason)| arrival.finding(code, None, commit, reason)));
        }
        // Whoever reads ahead has looked into nearly all of them, and another view of a repository takes some memory.
        if came.iter().any(|arrival| seen.sights(arrival.blob).is_none()) {
            look_into(&repository.shared(), seen, came.iter().map(|arrival| arrival.blob));
        }
        for arrival in came {
            let sights = seen.sights(arrival.blob).unwrap_or_default();
            if !sights.is_empty() && self.told.insert((arrival.blob, arrival.path.clone())) {
                self.findings.extend(sights.iter().map(|sight| arrival.sight(sight, commit)));
            }
        }
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

    fn sight(&self, sight: &Sight, commit: ObjectId) -> Finding {
        self.finding(sight.code, sight.line, commit, sight.reason.clone()).at(sight.severity)
    }
}

/// Looks into blobs that nobody looked into before, on all cores.
pub fn look_into(repository: &ThreadSafeRepository, seen: &Seen, blobs: impl Iterator<Item = ObjectId>) {
    let new: BTreeSet<ObjectId> = blobs.filter(|blob| seen.sights(*blob).is_none()).collect();
    let looked_at: Vec<_> = new
        .into_par_iter()
        .map_init(
            || repository.to_thread_local(),
            |repository, blob| (blob, sights_of(repository, seen, blob)),
        )
        .collect();
    seen.extend_sights(looked_at);
}

fn sights_of(repository: &gix::Repository, seen: &Seen, blob: ObjectId) -> Vec<Sight> {
    if seen.ciphertext_len(blob).is_some_and(|len| len <= leak::MAX_BYTES) {
        return Vec::new();
    }
    let unseen = |reason: String| {
        vec![Sight {
            code: Code::NotLookedInto,
            severity: Code::NotLookedInto.severity(),
            line: None,
            reason,
        }]
    };
    let Ok(header) = repository.find_header(blob) else {
        return unseen("its object is missing from this clone".to_owned());
    };
    if header.size() > leak::MAX_BYTES {
        return unseen(format!("it has {} bytes, and is not looked into", header.size()));
    }
    let Ok(blob) = repository.find_blob(blob) else {
        return unseen("its object cannot be read".to_owned());
    };
    if is_ciphertext(&blob.data) {
        return Vec::new();
    }
    leak::scan(&blob.data).iter().map(Sight::of).collect()
}

impl Sight {
    fn of(leak: &Leak) -> Self {
        let code = code_of(leak.what);
        let severity = if leak.what.is_protected() { Severity::Medium } else { code.severity() };
        Self { code, severity, line: Some(leak.line), reason: leak.what.to_string() }
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
