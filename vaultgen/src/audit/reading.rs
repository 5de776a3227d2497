//! One state of a vault, read as far as it can be: verified, or else what its files claim.

use std::path::PathBuf;

use vault_format::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, Policy, SIGNERS_FILE, VaultFiles, Verified,
    audit::{
        Claims, Grade,
        state::{Shown, SignerFacts, shown_by_templates},
    },
    lock, policy,
    signature::SignatureError,
    signers::AllowedSigners,
    verify::{self, Problem, Warning, verify_unless_known},
};

use super::{folders::is_of_vault, report::Verdict, seen::Seen};
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
    /// Who could sign it, by the last sound state before it; nothing where there was none yet.
    inherited: Option<AllowedSigners>,
    /// Whom its signature was held against.
    expected: AllowedSigners,
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

    /// Who may sign the next state. One that is not sound says nothing of it: else whoever can push could say so by one.
    fn successors(&self) -> Option<&AllowedSigners> {
        match &self.known {
            Known::Verified(vault) if self.problems.is_empty() => Some(vault.signers()),
            _ => self.inherited.as_ref(),
        }
    }

    /// Reads the state of a vault in a commit; nothing if there is no vault among these files.
    #[must_use]
    pub fn of_revision(
        files: &Revision,
        trusted: Option<&AllowedSigners>,
        before: Option<&Self>,
        seen: &Seen,
    ) -> Option<Self> {
        if !files.paths().any(is_of_vault) {
            return None;
        }
        seen.learn(files);
        let reading = Self::of(files, files.place().to_owned(), trusted, before, &seen.of(files));
        if let Known::Verified(vault) = &reading.known {
            seen.remember(vault);
        }
        Some(reading)
    }

    /// Reads a state. `before` is the one that it follows: its signers could sign this one.
    #[must_use]
    pub fn of(
        files: &dyn VaultFiles,
        root: PathBuf,
        trusted: Option<&AllowedSigners>,
        before: Option<&Self>,
        known: &dyn verify::Known,
    ) -> Self {
        let entries: Vec<String> =
            files.entries().unwrap_or_default().into_iter().map(|entry| entry.path).collect();
        let inherited = before.and_then(Self::successors).cloned();
        let own = own_signers(files);
        let expected = expected_signers(trusted, inherited.as_ref(), own.as_ref());
        let has = |file: &str| entries.iter().any(|path| path == file);
        let (known, problems) = match has(POLICY_FILE) || has(LOCK_FILE) {
            true => verified(files, &expected, own.as_ref(), known),
            false => (Known::Legacy, Vec::new()),
        };
        let signer = match &known {
            Known::Verified(vault) => Some(SignerFacts::of(vault.signer())),
            _ => None,
        };
        Self { known, problems, root, signer, entries, inherited, expected }
    }

    /// A state that was read as the first one, as it is after `before`; nothing if then it is to be held against others.
    #[must_use]
    pub fn after(self, before: Option<&Self>, trusted: Option<&AllowedSigners>) -> Option<Self> {
        let Some(inherited) = before.and_then(Self::successors) else { return Some(self) };
        let is_same = expected_signers(trusted, Some(inherited), None) == self.expected;
        is_same.then(|| Self { inherited: Some(inherited.clone()), ..self })
    }
}

/// What can be known of a state whose signature is held against `expected`, and what is wrong with it.
fn verified(
    files: &dyn VaultFiles,
    expected: &AllowedSigners,
    own: Option<&AllowedSigners>,
    known: &dyn verify::Known,
) -> (Known, Vec<Problem>) {
    let verify = |signers: &AllowedSigners| verify_unless_known(files, signers, |_, _| false, known);
    let mut problems: Vec<Problem> = match verify(expected) {
        Ok(vault) => return (Known::Verified(Box::new(vault)), Vec::new()),
        Err(unsound) => unsound.into_iter().collect(),
    };
    // Who is nobody's signer may still have left all else as it was signed.
    let is_strangers = matches!(problems.as_slice(), [Problem::Signature(SignatureError::Untrusted(_))]);
    match own.filter(|_| is_strangers).map(verify) {
        Some(Ok(vault)) => return (Known::Verified(Box::new(vault)), problems),
        Some(Err(more)) => problems.extend(more),
        None => {}
    }
    let claimed = Claimed::read(files);
    (claimed.map_or(Known::Nothing, |claimed| Known::Claimed(Box::new(claimed))), problems)
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
