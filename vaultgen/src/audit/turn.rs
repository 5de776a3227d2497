//! One vault before and after a commit: what changed, and whether the later state follows from the earlier.

use vault_format::{
    LOCK_FILE,
    audit::{Claims, Code, Finding, Grade, Place, changes},
    report::one_line,
    signers::AllowedSigners,
};

use super::{
    reading::Reading,
    report::{CommitFacts, Step, Verdict},
};

/// One vault before and after a commit.
pub struct Turn<'a> {
    /// The vault's folder.
    pub folder: &'a str,
    /// In the first parent.
    pub before: Option<&'a Reading>,
    /// In the other parents.
    pub others: Vec<&'a Reading>,
    /// In the commit.
    pub after: Option<&'a Reading>,
}

impl Turn<'_> {
    /// The step that it is, if it goes along the main line and joins nothing.
    #[must_use]
    pub fn step(&self, commit: Option<CommitFacts>, trusted: Option<&AllowedSigners>) -> Step {
        let before = self.before.and_then(Reading::claims);
        let after = self.after.and_then(Reading::claims);
        let signer = self.after.and_then(|after| after.signer.clone());
        let is_trusted = |fingerprint: &String| {
            let signers = trusted.into_iter().flat_map(AllowedSigners::iter);
            signers
                .filter(|signer| !signer.ended())
                .any(|signer| vault_format::ssh::fingerprint(signer.key()) == *fingerprint)
        };
        Step {
            main_line: true,
            merge: false,
            verdict: self.after.map_or(Verdict::Gone, Reading::verdict),
            problems: self
                .after
                .map(|after| after.problems.iter().map(|problem| one_line(problem)).collect())
                .unwrap_or_default(),
            serial: after.map(|claims| claims.lock.serial),
            lock_sha256: after.map(|claims| claims.lock_digest),
            signer_trusted: signer.as_ref().is_some_and(|signer| is_trusted(&signer.fingerprint)),
            signed_by_committer: match (&signer, &commit) {
                (Some(signer), Some(commit)) => is_same_person(&signer.principal, commit),
                _ => false,
            },
            signer,
            follows: self.faults().is_empty(),
            changes: after.map(|after| changes(before, after)).unwrap_or_default(),
            commit,
        }
    }

    /// Whether there was a vault, or is one now.
    #[must_use]
    pub fn has_vault(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// Where the state does not follow from those before it.
    #[must_use]
    pub fn faults(&self) -> Vec<(Code, String)> {
        let Some(after) = self.after.and_then(Reading::claims) else { return Vec::new() };
        let parents = self.before.into_iter().chain(self.others.iter().copied());
        parents.filter_map(|before| fault(before.claims()?, after)).collect()
    }

    /// What is wrong with the step. What is wrong with the last state is told of that.
    #[must_use]
    pub fn findings(&self, commit: Option<&CommitFacts>) -> Vec<Finding> {
        let lock = if self.folder.is_empty() {
            LOCK_FILE.to_owned()
        } else {
            format!("{}/{LOCK_FILE}", self.folder)
        };
        let place =
            || Place { path: lock.clone(), line: None, commit: commit.map(|commit| commit.id.clone()) };
        let faults = self.faults();
        faults.into_iter().map(|(code, reason)| Finding::new(code, Grade::Proved, place(), reason)).collect()
    }
}

/// Why a state does not follow from another.
fn fault(before: Claims<'_>, after: Claims<'_>) -> Option<(Code, String)> {
    let (old, new) = (before.lock, after.lock);
    if before.lock_digest == after.lock_digest
        || new.id == old.id && new.ancestors.contains(&before.lock_digest) && new.serial > old.serial
    {
        return None;
    }
    if old.id != new.id {
        return Some((Code::AnotherVault, format!("vault {} was replaced by vault {}", old.id, new.id)));
    }
    let (from, to) = (old.serial, new.serial);
    Some(match to.cmp(&from) {
        std::cmp::Ordering::Less => {
            (Code::SerialDoesNotGrow, format!("serial {from} was followed by serial {to}"))
        }
        std::cmp::Ordering::Equal => {
            (Code::Fork, format!("two states have serial {from}, and neither descends from the other"))
        }
        std::cmp::Ordering::Greater if new.ancestors.contains(&before.lock_digest) => {
            (Code::SerialDoesNotGrow, format!("serial {from} was followed by serial {to}"))
        }
        std::cmp::Ordering::Greater => (
            Code::PredecessorMissing,
            format!("serial {to} does not descend from serial {from}, which was there before it"),
        ),
    })
}

/// Whether a signer's name is the committer's: the name, the address, or what stands before its @.
fn is_same_person(principal: &str, commit: &CommitFacts) -> bool {
    let person = &commit.committer;
    let account = |address: &str| address.split('@').next().unwrap_or_default().to_lowercase();
    let principal = principal.to_lowercase();
    [person.name.to_lowercase(), person.email.to_lowercase()].contains(&principal)
        || account(&principal) == account(&person.email)
}
