//! The one way from files to a vault that may be used.
//!
//! [`verify`] reads top-down: authenticate the lock's raw bytes, parse it, check every file
//! against it, check that policy and lock agree. Only it makes a [`Verified`] vault, and what
//! decrypts, serves or changes a vault takes one: nobody can forget to verify.

mod problem;
mod templates;

use std::{collections::BTreeMap, sync::Arc};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

pub(crate) use self::templates::Sources;
pub use self::{
    problem::{Problem, Unsound, Warning},
    templates::TemplateProblem,
};
use crate::{
    CIPHERTEXT_SUFFIX, Digest, IDENTITY_FILE, LOCK_FILE, Lock, OLD_IDENTITY_FILE, POLICY_FILE, Policy,
    RECOVERY_FILE, SIGNATURE_FILE, SIGNERS_FILE, SIGNING_KEY_FILE, SecretName, VaultFiles,
    cipher::{CipherError, Header},
    folder::{FolderError, MAX_FILE},
    lock::{self, LockedSecret},
    name::{below_files, path_order},
    progress::Work,
    signature,
    signers::{AllowedSigners, Signer},
    template::Template,
};

/// Most bytes of a signature file; a real one has some 300.
const MAX_SIGNATURE: u64 = 64 * 1024;
/// Most bytes of a public file.
pub(crate) const MAX_PUBLIC: u64 = 1 << 26;

/// Public files that every lock covers.
const REQUIRED_FILES: [&str; 4] = [POLICY_FILE, SIGNERS_FILE, ".gitignore", ".gitattributes"];

/// One state of a vault whose signature, digests and policy were all found to be sound. Only
/// [`verify`] makes one.
#[derive(Debug)]
pub struct Verified {
    lock: Lock,
    lock_digest: Digest,
    policy: Arc<Policy>,
    policy_text: String,
    signers: AllowedSigners,
    signer: Signer,
    templates: BTreeMap<SecretName, Template>,
    kept: BTreeMap<SecretName, Vec<u8>>,
    warnings: Vec<Warning>,
}

impl Verified {
    /// The facts about every file.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// SHA-256 of the lock file: the name of this state.
    #[must_use]
    pub fn lock_digest(&self) -> Digest {
        self.lock_digest
    }

    /// Who may decrypt and read what.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same, for whoever knows another state with the same policy.
    #[must_use]
    pub fn shared_policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// The policy as its authors wrote it.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.policy_text
    }

    /// The vault's own list of signers: who may sign the next state.
    #[must_use]
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// Who signed this state.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The templates, by their path in the mount.
    #[must_use]
    pub fn templates(&self) -> &BTreeMap<SecretName, Template> {
        &self.templates
    }

    /// The ciphertext of a secret that was to be kept.
    #[must_use]
    pub fn ciphertext(&self, name: &SecretName) -> Option<&[u8]> {
        self.kept.get(name).map(Vec::as_slice)
    }

    /// What is not wrong, but worth a look.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// What was found out about files before, by their digests.
pub trait Known: Sync {
    /// Whether the ciphertext of a secret is just what the lock says: its bytes and its readers.
    fn has(&self, name: &SecretName, secret: &LockedSecret) -> bool;

    /// The policy that the bytes with this digest are.
    fn policy(&self, digest: Digest) -> Option<Arc<Policy>> {
        let _ = digest;
        None
    }
}

impl<F: Fn(&SecretName, &LockedSecret) -> bool + Sync> Known for F {
    fn has(&self, name: &SecretName, secret: &LockedSecret) -> bool {
        self(name, secret)
    }
}

/// Verifies the vault in `files` against the signers that the caller trusts. Each file is read
/// once; the ciphertext of the secrets that `keep` picks stays in memory, all other is let go.
///
/// # Errors
///
/// Everything that is wrong, as far as it can be told: after a wrong signature nothing else is
/// looked at.
pub fn verify(
    files: &dyn VaultFiles,
    trusted: &AllowedSigners,
    keep: impl Fn(&SecretName, &LockedSecret) -> bool + Sync,
) -> Result<Verified, Unsound> {
    verify_unless_known(files, trusted, keep, &|_: &SecretName, _: &LockedSecret| false)
}

/// As [`verify`], without reading the ciphertexts that are `known` to be just what the lock says, and without parsing
/// a policy that is. Everything else is verified anew: signature, lock, public files, and that no file is there which
/// should not.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_unless_known(
    files: &dyn VaultFiles,
    trusted: &AllowedSigners,
    keep: impl Fn(&SecretName, &LockedSecret) -> bool + Sync,
    known: &dyn Known,
) -> Result<Verified, Unsound> {
    let (lock, lock_digest, signer) = authenticate(files, trusted)?;
    let ((documents, mut problems), ((kept, damaged), (extra, unlisted))) = rayon::join(
        || check_public_files(files, &lock, known),
        || rayon::join(|| check_ciphertexts(files, &lock, &keep, known), || check_extra_files(files, &lock)),
    );
    problems.extend(damaged.into_iter().chain(extra));
    let warnings = exposures(&lock).into_iter().chain(unopened(&lock)).chain(unlisted).collect();
    // A link is one problem, however many files cannot be read because of it.
    if problems.iter().any(|problem| matches!(problem, Problem::NotPlain(_))) {
        problems.retain(|problem| !matches!(problem, Problem::File(FolderError::NotPlain(_))));
    }
    let Some(documents) = documents else { return Err(Unsound { problems }) };
    problems.extend(disagreements(&documents.policy, &lock, &documents.templates));
    if !problems.is_empty() {
        return Err(Unsound { problems });
    }
    let Documents { policy, policy_text, signers, templates } = documents;
    let templates = templates::parsed(&policy, &templates);
    Ok(Verified { lock, lock_digest, policy, policy_text, signers, signer, templates, kept, warnings })
}

/// Reads the lock after checking the signature over its raw bytes.
pub(crate) fn authenticate(
    files: &dyn VaultFiles,
    trusted: &AllowedSigners,
) -> Result<(Lock, Digest, Signer), Problem> {
    let bytes = files.read(LOCK_FILE, lock::MAX_BYTES)?;
    let signature = files.read(SIGNATURE_FILE, MAX_SIGNATURE)?;
    let (signer, lock_digest) =
        rayon::join(|| signature::verify(&signature, &bytes, trusted).cloned(), || Digest::of(&bytes));
    let signer = signer?;
    Ok((Lock::parse(&read_text(LOCK_FILE, bytes)?)?, lock_digest, signer))
}

/// The public files that are read for what they say.
struct Documents {
    policy: Arc<Policy>,
    policy_text: String,
    signers: AllowedSigners,
    templates: Sources,
}

/// Checks every public file, and reads those that say something, if they are the signed ones.
fn check_public_files(
    files: &dyn VaultFiles,
    lock: &Lock,
    known: &dyn Known,
) -> (Option<Documents>, Vec<Problem>) {
    let mut problems = Vec::new();
    for required in REQUIRED_FILES {
        if !lock.files.contains_key(required) {
            problems.push(Problem::NotCovered(required));
        }
    }
    let (mut policy, mut signers, mut templates) = (None, None, Sources::new());
    for (path, digest) in &lock.files {
        let read = match files.read_signed(path, MAX_PUBLIC, *digest) {
            Err(error) => Err(error.into()),
            Ok(None) => Err(Problem::Changed(path.clone())),
            Ok(Some(bytes)) if path == POLICY_FILE => {
                known_policy(bytes, known.policy(*digest)).map(|read| policy = Some(read))
            }
            Ok(Some(bytes)) if path == SIGNERS_FILE => read_signers(bytes).map(|read| signers = Some(read)),
            Ok(Some(bytes)) if is_template(path) => {
                templates.insert(path.clone(), bytes);
                Ok(())
            }
            Ok(Some(_)) => Ok(()),
        };
        problems.extend(read.err());
    }
    let documents = policy.zip(signers).map(|((policy, policy_text), signers)| Documents {
        policy,
        policy_text,
        signers,
        templates,
    });
    (documents, problems)
}

/// The policy that these bytes are, parsed unless it was before.
fn known_policy(bytes: Vec<u8>, known: Option<Arc<Policy>>) -> Result<(Arc<Policy>, String), Problem> {
    match known {
        Some(policy) => Ok((policy, read_text(POLICY_FILE, bytes)?)),
        None => read_policy(bytes).map(|(policy, text)| (Arc::new(policy), text)),
    }
}

pub(crate) fn read_policy(bytes: Vec<u8>) -> Result<(Policy, String), Problem> {
    let text = read_text(POLICY_FILE, bytes)?;
    Ok((Policy::parse(&text)?, text))
}

pub(crate) fn read_signers(bytes: Vec<u8>) -> Result<AllowedSigners, Problem> {
    Ok(AllowedSigners::parse(&read_text(SIGNERS_FILE, bytes)?)?)
}

pub(crate) fn read_text(file: &'static str, bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::NotText(file))
}

/// The secrets whose value somebody knows who should not any more.
fn exposures(lock: &Lock) -> Vec<Warning> {
    let exposed = lock.secrets.iter().filter(|(_, secret)| !secret.exposed_to.is_empty());
    exposed
        .map(|(name, secret)| Warning::Exposed { name: name.clone(), keys: secret.exposed_to.len() })
        .collect()
}

/// Ciphertext that came from elsewhere, and that the lock covers without knowing what is in it.
fn unopened(lock: &Lock) -> impl Iterator<Item = Warning> {
    let files = lock.files.keys().filter(|path| path.ends_with(CIPHERTEXT_SUFFIX));
    files.map(|path| Warning::Unopened(path.clone()))
}

/// Checks every ciphertext that is not known on all cores, and gives back those to keep.
fn check_ciphertexts(
    files: &dyn VaultFiles,
    lock: &Lock,
    keep: impl Fn(&SecretName, &LockedSecret) -> bool + Sync,
    known: &dyn Known,
) -> (BTreeMap<SecretName, Vec<u8>>, Vec<Problem>) {
    let secrets: Vec<_> = lock.secrets.iter().collect();
    let work = Work::on("verifying", secrets.len());
    let checked: Vec<_> = secrets
        .par_iter()
        .map(|&(name, secret)| {
            if known.has(name, secret) {
                return Ok(None);
            }
            let bytes = check_ciphertext(files, name, secret)?;
            Ok(keep(name, secret).then(|| (name.clone(), bytes)))
        })
        .inspect(|_| work.advances())
        .collect();
    let (mut kept, mut problems) = (BTreeMap::new(), Vec::new());
    for result in checked {
        match result {
            Ok(entry) => kept.extend(entry),
            Err(problem) => problems.push(problem),
        }
    }
    (kept, problems)
}

fn check_ciphertext(
    files: &dyn VaultFiles,
    name: &SecretName,
    secret: &LockedSecret,
) -> Result<Vec<u8>, Problem> {
    let path = name.ciphertext_path();
    let Some(bytes) = files.read_signed(&path, MAX_FILE, secret.sha256)? else {
        return Err(Problem::Changed(path));
    };
    let header = Header::parse(&bytes).map_err(|error| Problem::Ciphertext { path: path.clone(), error })?;
    if header.has_passphrase() {
        return Err(Problem::Ciphertext { path, error: CipherError::Passphrase });
    }
    if !header.fits(&secret.recipients) {
        let (expected, found) = (secret.recipients.len(), header.stanzas().len());
        return Err(Problem::Stanzas { path, expected, found });
    }
    Ok(bytes)
}

/// An unlisted ciphertext or template source is refused, anything else unlisted is a warning.
fn check_extra_files(files: &dyn VaultFiles, lock: &Lock) -> (Vec<Problem>, Vec<Warning>) {
    let entries = match files.entries() {
        Ok(entries) => entries,
        Err(error) => return (vec![error.into()], Vec::new()),
    };
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.path;
        let belongs = is_listed(&path, lock) || is_known(&path);
        if !entry.is_plain_file {
            problems.push(Problem::NotPlain(path));
        } else if !belongs && (path.ends_with(CIPHERTEXT_SUFFIX) || is_template(&path)) {
            problems.push(Problem::Extra(path));
        } else if !belongs {
            warnings.push(Warning::Unlisted(path));
        }
    }
    (problems, warnings)
}

fn is_listed(path: &str, lock: &Lock) -> bool {
    let secret = path.strip_suffix(CIPHERTEXT_SUFFIX).and_then(|name| name.parse().ok());
    lock.files.contains_key(path) || secret.is_some_and(|name: SecretName| lock.secrets.contains_key(&name))
}

/// Whether a file is the source of a template.
pub(crate) fn is_template(path: &str) -> bool {
    path.starts_with("templates/")
}

/// Files that are part of a vault, but that the lock cannot or must not cover.
pub(crate) fn is_known(path: &str) -> bool {
    let machine_key = path.strip_prefix("machines/").and_then(|name| name.strip_suffix(".key"));
    let known =
        [LOCK_FILE, SIGNATURE_FILE, IDENTITY_FILE, OLD_IDENTITY_FILE, RECOVERY_FILE, SIGNING_KEY_FILE];
    known.contains(&path) || machine_key.is_some()
}

/// Where policy and lock contradict each other.
pub(crate) fn disagreements(policy: &Policy, lock: &Lock, sources: &Sources) -> Vec<Problem> {
    let (mut problems, colliding) =
        rayon::join(|| other_audiences(policy, lock), || colliding_paths(policy, lock));
    for (path, view) in policy.views() {
        if !lock.secrets.contains_key(&view.of) {
            problems.push(Problem::ViewOfNothing { view: path.clone(), of: view.of.clone() });
        }
    }
    problems.extend(templates::disagreements(policy, lock, sources).into_iter().map(Problem::from));
    problems.extend(colliding);
    problems
}

/// Secrets that others can decrypt than the policy says.
fn other_audiences(policy: &Policy, lock: &Lock) -> Vec<Problem> {
    let others =
        lock.secrets.iter().filter(|(name, secret)| secret.recipients != policy.secret(name).audience);
    others.map(|(name, _)| Problem::Audience(name.clone())).collect()
}

/// Paths of the mount that differ only in case, or where one is a folder of another.
fn colliding_paths(policy: &Policy, lock: &Lock) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, &SecretName> = BTreeMap::new();
    for name in lock.secrets.keys().chain(policy.views().keys()).chain(policy.templates().keys()) {
        if let Some(other) = seen.insert(path_order(name.as_str()), name) {
            problems.push(Problem::SamePath { name: name.clone(), other: other.clone() });
        }
    }
    for (name, file) in below_files(&seen) {
        problems.push(Problem::BelowFile { name: (*name).clone(), file: (*file).clone() });
    }
    problems
}
