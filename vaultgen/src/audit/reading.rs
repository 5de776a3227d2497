//! One state of a vault, read as far as it can be: verified, or else what its files claim.

use std::{cell::RefCell, collections::HashMap, path::PathBuf};

use gix::ObjectId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, Policy, SIGNERS_FILE, SecretName, VaultFiles, Verified,
    audit::{
        Claims, Grade,
        state::{Proof, Shown, SignerFacts, shown_by_templates},
    },
    cipher::{self, Header},
    folder::{FolderError, MAX_FILE},
    lock::{self, LockedSecret},
    policy,
    signature::SignatureError,
    signers::AllowedSigners,
    verify::{Problem, Warning, verify_unless_known},
};

use super::report::Verdict;
use crate::git::Revision;

/// Most bytes of a list of signers: some thousand of them.
const MAX_SIGNERS: u64 = 1 << 20;

/// A state, and what is wrong with it.
#[derive(Debug)]
pub struct Reading {
    known: Known,
    /// Why it is not sound; empty where it is.
    pub problems: Vec<Problem>,
    /// What paths in the problems begin with.
    pub root: PathBuf,
    /// Who signed it, if somebody did whom the vault or the reader knows.
    pub signer: Option<SignerFacts>,
    /// Files in its folder that are no part of it.
    pub entries: Vec<String>,
    /// Who may sign the next state, by the last sound one up to this; nothing where there was none yet.
    successors: Option<AllowedSigners>,
}

#[derive(Debug)]
enum Known {
    /// All of it is as it was signed.
    Verified(Box<Verified>),
    /// What its files say.
    Claimed(Box<Claimed>),
    /// A vault of Odoo Box.
    Legacy,
    /// Nothing of it can be read.
    Nothing,
}

#[derive(Debug)]
struct Claimed {
    lock: Lock,
    lock_digest: Digest,
    policy: Policy,
    policy_text: String,
    signers: AllowedSigners,
}

impl Reading {
    /// How it stands.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.known {
            Known::Legacy => Verdict::Legacy,
            Known::Verified(_) if self.problems.is_empty() => Verdict::Sound,
            _ => Verdict::Unsound,
        }
    }

    /// What it says of itself, if that can be read.
    #[must_use]
    pub fn claims(&self) -> Option<Claims<'_>> {
        let claims = match &self.known {
            Known::Verified(vault) => Claims::from(&**vault),
            Known::Claimed(claimed) => Claims {
                lock: &claimed.lock,
                lock_digest: claimed.lock_digest,
                policy: &claimed.policy,
                signers: &claimed.signers,
                grade: Grade::GitClaim,
            },
            Known::Legacy | Known::Nothing => return None,
        };
        // Without a signature that holds, whoever could push may have written it.
        let grade = if self.problems.is_empty() { claims.grade } else { Grade::GitClaim };
        Some(Claims { grade, ..claims })
    }

    /// The text of the policy; empty where there is none.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        match &self.known {
            Known::Verified(vault) => vault.policy_text(),
            Known::Claimed(claimed) => &claimed.policy_text,
            Known::Legacy | Known::Nothing => "",
        }
    }

    /// Files in its folder that are no part of it.
    pub fn unlisted(&self) -> impl Iterator<Item = &str> {
        let warnings = match &self.known {
            Known::Verified(vault) => vault.warnings(),
            _ => &[],
        };
        warnings.iter().filter_map(|warning| match warning {
            Warning::Unlisted(path) => Some(path.as_str()),
            _ => None,
        })
    }

    /// Which secrets its templates show, where they could be read.
    #[must_use]
    pub fn shown(&self) -> Shown {
        match &self.known {
            Known::Verified(vault) => shown_by_templates(vault),
            _ => Shown::new(),
        }
    }

    /// Reads a state. `before` is the one that it follows: its signers could sign this one.
    #[must_use]
    pub fn of(
        files: &dyn VaultFiles,
        root: PathBuf,
        trusted: Option<&AllowedSigners>,
        before: Option<&Self>,
        is_known: &(dyn Fn(&SecretName, &LockedSecret) -> bool + Sync),
    ) -> Self {
        let entries: Vec<String> =
            files.entries().unwrap_or_default().into_iter().map(|entry| entry.path).collect();
        // A state that is not sound says nothing of who may sign: else whoever can push could say so by one.
        let inherited = before.and_then(|before| before.successors.clone());
        let has = |file: &str| entries.iter().any(|path| path == file);
        if !has(POLICY_FILE) && !has(LOCK_FILE) {
            let known = Known::Legacy;
            return Self { known, problems: Vec::new(), root, signer: None, entries, successors: inherited };
        }
        let own = own_signers(files);
        let expected = expected_signers(trusted, inherited.as_ref(), own.as_ref());
        let verify = |signers: &AllowedSigners| verify_unless_known(files, signers, |_, _| false, is_known);
        match verify(&expected) {
            Ok(vault) => Self::sound(vault, root, entries, Vec::new(), inherited),
            Err(unsound) => {
                let problems = unsound.into_iter().collect::<Vec<Problem>>();
                // Who is nobody's signer may still have left all else as it was signed.
                let is_strangers =
                    matches!(problems.as_slice(), [Problem::Signature(SignatureError::Untrusted(_))]);
                let own = own.filter(|_| is_strangers);
                match own.map(|own| verify(&own)) {
                    Some(Ok(vault)) => Self::sound(vault, root, entries, problems, inherited),
                    Some(Err(more)) => {
                        let problems = problems.into_iter().chain(more).collect();
                        Self::claimed(files, root, entries, problems, inherited)
                    }
                    None => Self::claimed(files, root, entries, problems, inherited),
                }
            }
        }
    }

    fn sound(
        vault: Verified,
        root: PathBuf,
        entries: Vec<String>,
        problems: Vec<Problem>,
        inherited: Option<AllowedSigners>,
    ) -> Self {
        let signer = Some(SignerFacts::of(vault.signer()));
        let successors = if problems.is_empty() { Some(vault.signers().clone()) } else { inherited };
        Self { known: Known::Verified(Box::new(vault)), problems, root, signer, entries, successors }
    }

    fn claimed(
        files: &dyn VaultFiles,
        root: PathBuf,
        entries: Vec<String>,
        problems: Vec<Problem>,
        successors: Option<AllowedSigners>,
    ) -> Self {
        let known = Claimed::read(files).map_or(Known::Nothing, |claimed| Known::Claimed(Box::new(claimed)));
        Self { known, problems, root, signer: None, entries, successors }
    }
}

impl Claimed {
    /// What the files say, if lock and policy can be read at all.
    fn read(files: &dyn VaultFiles) -> Option<Self> {
        let lock_bytes = files.read(LOCK_FILE, lock::MAX_BYTES).ok()?;
        let policy_bytes = files.read(POLICY_FILE, policy::MAX_BYTES as u64).ok()?;
        let policy_text = String::from_utf8(policy_bytes).ok()?;
        Some(Self {
            lock_digest: Digest::of(&lock_bytes),
            lock: Lock::parse(std::str::from_utf8(&lock_bytes).ok()?).ok()?,
            policy: Policy::parse(&policy_text).ok()?,
            policy_text,
            signers: own_signers(files).unwrap_or_default(),
        })
    }
}

/// The vault's own copy of its signers.
fn own_signers(files: &dyn VaultFiles) -> Option<AllowedSigners> {
    let bytes = files.read(SIGNERS_FILE, MAX_SIGNERS).ok()?;
    AllowedSigners::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Whoever may have signed a state: the signers from outside, and those of the last sound state before it. The first
/// state has only itself to say who they are.
fn expected_signers(
    trusted: Option<&AllowedSigners>,
    inherited: Option<&AllowedSigners>,
    own: Option<&AllowedSigners>,
) -> AllowedSigners {
    let listed = inherited.or(own).into_iter().flat_map(AllowedSigners::iter);
    let from_outside = trusted.into_iter().flat_map(AllowedSigners::iter);
    let may_sign = from_outside.chain(listed).filter(|signer| !signer.ended());
    may_sign.fold(AllowedSigners::default(), |all, signer| all.with(signer.clone()))
}

/// What the bytes of ciphertexts prove, each looked at once however many commits have it.
#[derive(Debug, Default)]
pub struct Ciphertexts(RefCell<HashMap<ObjectId, Option<Checked>>>);

/// A ciphertext that was looked at.
#[derive(Debug, Clone)]
struct Checked {
    digest: Digest,
    header: Header,
    bytes: u64,
    plaintext_bytes: Option<u64>,
}

impl Checked {
    fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            digest: Digest::of(bytes),
            header: Header::parse(bytes).ok()?,
            bytes: bytes.len() as u64,
            plaintext_bytes: cipher::plaintext_len(bytes).ok().map(|len| len as u64),
        })
    }

    fn proof(&self) -> Proof {
        Proof {
            sha256: self.digest,
            bytes: self.bytes,
            plaintext_bytes: self.plaintext_bytes,
            stanzas: self.header.stanzas().to_vec(),
        }
    }
}

impl Ciphertexts {
    /// Looks at the ciphertexts of a revision that no revision before had.
    pub fn learn(&self, files: &Revision, paths: &[String]) {
        let mut known = self.0.borrow_mut();
        let unknown: Vec<_> = paths
            .iter()
            .filter(|path| path.ends_with(vault_format::CIPHERTEXT_SUFFIX))
            .filter_map(|path| Some((files.blob(path)?, path)))
            .filter(|(blob, _)| !known.contains_key(blob))
            .collect();
        let looked_at: Vec<_> = unknown
            .into_par_iter()
            .map(|(blob, path)| (blob, files.read(path, MAX_FILE).ok().as_deref().and_then(Checked::of)))
            .collect();
        known.extend(looked_at);
    }

    /// Those that are just what a lock says of them, by their bytes and their stanzas.
    #[must_use]
    pub fn known_in(&self, files: &Revision) -> HashMap<String, (Digest, Header)> {
        let known = self.0.borrow();
        let each = files.paths().filter_map(|path| {
            let checked = known.get(&files.blob(path)?)?.as_ref()?;
            Some((path.to_owned(), (checked.digest, checked.header.clone())))
        });
        each.collect()
    }

    /// What the bytes of a file prove.
    #[must_use]
    pub fn proof(&self, blob: ObjectId) -> Option<Proof> {
        self.0.borrow().get(&blob)?.as_ref().map(Checked::proof)
    }
}

/// What the bytes of a file in a folder prove.
///
/// # Errors
///
/// If it cannot be read.
pub fn proof_of(files: &dyn VaultFiles, name: &SecretName) -> Result<Option<Proof>, FolderError> {
    let bytes = files.read(&name.ciphertext_path(), MAX_FILE)?;
    Ok(Checked::of(&bytes).map(|checked| checked.proof()))
}

/// Whether a ciphertext has the digest and the stanzas that the lock says.
#[must_use]
pub fn is_as_locked(known: Option<&(Digest, Header)>, secret: &LockedSecret) -> bool {
    known.is_some_and(|(digest, header)| {
        *digest == secret.sha256 && header.fits(&secret.recipients) && !header.has_passphrase()
    })
}
