//! Two states that were made side by side, joined into one.
//!
//! [`join`] compares both with the state that they descend from. What only one of them changed is
//! taken; where both gave one secret a new value, or changed one key of the policy, somebody has to
//! decide. A decision covers what belongs together: a password with its hashes, a certificate with its
//! key.

mod secrets;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Ancestor, Change, Digest, Lock, POLICY_FILE, Policy, Recipient, SIGNERS_FILE, SecretName, Timestamp,
    VaultFiles, Verified,
    ancestor::public_file,
    change::ChangeError,
    lock::MAX_ANCESTORS,
    policy::{self, PolicyEditor, PolicyError},
    signers::AllowedSigners,
    ssh,
    verify::Unsound,
};

/// One of both states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that we are on.
    Ours,
    /// The one that comes in.
    Theirs,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// One of both states, with the files that it was verified in.
#[derive(Clone, Copy, Debug)]
pub struct Parent<'a> {
    /// What verification said.
    pub state: &'a Verified,
    /// Its files.
    pub files: &'a Arc<dyn VaultFiles>,
}

/// What both states changed, so that somebody has to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Secrets that belong together.
    Secrets(BTreeSet<SecretName>),
    /// A key of the policy, by its path.
    Policy(String),
    /// A public file.
    File(String),
}

impl Conflict {
    /// Whether this is the name of a secret, key or file in it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Secrets(secrets) => secrets.iter().any(|secret| secret.as_str() == name),
            Self::Policy(path) | Self::File(path) => path == name,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(secrets) => {
                let names: Vec<&str> = secrets.iter().map(SecretName::as_str).collect();
                f.write_str(&names.join(", "))
            }
            Self::Policy(path) => write!(f, "{path} in {POLICY_FILE}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

/// What was decided.
pub type Decisions = BTreeMap<Conflict, Side>;

/// The state that two others make together, not yet encrypted and signed.
#[derive(Debug)]
pub struct Joined<'a> {
    ours: Parent<'a>,
    theirs: Parent<'a>,
    lock: Lock,
    policy_text: String,
    signers: AllowedSigners,
    secrets: BTreeMap<SecretName, Side>,
    files: BTreeMap<String, Side>,
    gone: BTreeSet<SecretName>,
    gone_files: BTreeSet<String>,
}

/// Joins `ours` and `theirs`, which both descend from `base`.
///
/// # Errors
///
/// If they are not of one vault, one is signed by somebody whom the other removed, the joined policy
/// makes no sense, or something is left to decide: then all of it is named.
pub fn join<'a>(
    base: &Ancestor,
    ours: Parent<'a>,
    theirs: Parent<'a>,
    decisions: &Decisions,
) -> Result<Joined<'a>, MergeError> {
    let locks = [base.lock(), ours.state.lock(), theirs.state.lock()];
    if locks.iter().any(|lock| lock.id != base.lock().id) {
        return Err(MergeError::OtherVault);
    }
    if !is_newest_common(base, ours.state, theirs.state) {
        return Err(MergeError::Base);
    }
    let signers = ours.state.signers().clone().joined(base.signers(), theirs.state.signers());
    for parent in [ours, theirs] {
        let key = parent.state.signer().key();
        signers.find(key.key_data()).ok_or_else(|| MergeError::RemovedSigner(ssh::fingerprint(key)))?;
    }

    let mut undecided = BTreeSet::new();
    let mut decide = |conflict: Conflict| {
        decisions.get(&conflict).copied().unwrap_or_else(|| {
            undecided.insert(conflict);
            Side::Ours
        })
    };
    let secrets::Joined { entries, sides: secrets, whole } =
        secrets::join(base, ours.state, theirs.state, &mut decide);
    let files = join_files(locks, &secrets, &mut decide);
    let texts = [ours, theirs].map(|parent| parent.state.policy_text());
    let policy_text =
        policy::merge(base.policy_text(), texts[0], texts[1], &whole, |path| decide(Conflict::Policy(path)));
    if !undecided.is_empty() {
        return Err(MergeError::Undecided(undecided));
    }

    let policy_text = policy_text.map_err(|_| MergeError::Editor)?;
    require_kinds(&Policy::parse(&policy_text)?, base, [ours, theirs], &secrets)?;
    let mut lock = ours.state.lock().clone();
    lock.serial = lock.serial.max(theirs.state.lock().serial);
    lock.ancestors = ancestors(ours.state, theirs.state);
    lock.files.clear();
    lock.secrets = entries;
    let names = locks.iter().flat_map(|lock| lock.secrets.keys());
    let gone = names.filter(|name| !secrets.contains_key(name)).cloned().collect();
    let paths = locks.iter().flat_map(|lock| lock.files.keys());
    let gone_files = paths.filter(|path| !is_text(path) && !files.contains_key(*path)).cloned().collect();
    Ok(Joined { ours, theirs, lock, policy_text, signers, secrets, files, gone, gone_files })
}

impl Joined<'_> {
    /// The secrets that come from the other side.
    pub fn taken(&self) -> impl Iterator<Item = &SecretName> {
        self.secrets.iter().filter(|(_, side)| **side == Side::Theirs).map(|(name, _)| name)
    }

    /// The secrets that our side has and the joined state has not.
    pub fn gone(&self) -> impl Iterator<Item = &SecretName> {
        self.gone.iter().filter(|name| self.ours.state.lock().secrets.contains_key(*name))
    }

    /// Our side.
    #[must_use]
    pub fn ours(&self) -> &Verified {
        self.ours.state
    }

    /// The public files that come from the other side, and are not the same on ours.
    pub fn taken_files(&self) -> impl Iterator<Item = &String> {
        self.files.iter().filter(|(_, side)| **side == Side::Theirs).map(|(path, _)| path)
    }

    /// The public files that our side has and the joined state has not.
    pub fn gone_files(&self) -> impl Iterator<Item = &String> {
        self.gone_files.iter().filter(|path| self.ours.state.lock().files.contains_key(*path))
    }

    /// Who can decrypt a secret in the joined state and could not on one of both sides.
    ///
    /// # Errors
    ///
    /// None: the joined policy was parsed before.
    pub fn gains(&self) -> Result<Vec<(&SecretName, Recipient)>, MergeError> {
        let policy = Policy::parse(&self.policy_text)?;
        let sides = [self.ours, self.theirs].map(|parent| &parent.state.lock().secrets);
        let mut gains = Vec::new();
        for name in self.lock.secrets.keys() {
            for key in &policy.secret(name).audience {
                let mut known = sides.iter().filter_map(|secrets| secrets.get(name));
                if known.any(|secret| !secret.recipients.contains(key)) {
                    gains.push((name, key.clone()));
                }
            }
        }
        Ok(gains)
    }

    /// The policy of the joined state.
    #[must_use]
    pub fn policy_text(&self) -> &str {
        &self.policy_text
    }

    /// Who may sign after the joined state.
    #[must_use]
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// The change that makes this the next state, whatever the folder has now.
    ///
    /// # Errors
    ///
    /// If a public file cannot be read.
    pub fn into_change(self, now: Timestamp) -> Result<Change, ChangeError> {
        let policy = PolicyEditor::of(&self.policy_text).map_err(|_| ChangeError::Editor)?;
        let parent = |side| match side {
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        };
        let mut change = Change::on(self.lock.clone(), policy, self.signers.clone(), now);
        change.put_signers(self.signers);
        for (path, side) in &self.files {
            let Parent { state, files } = parent(*side);
            let bytes = public_file(&**files, state.lock(), path).map_err(Unsound::from)?;
            change.put_public_file(path, bytes);
        }
        self.gone_files.iter().for_each(|path| change.remove_public_file(path));
        for (name, side) in &self.secrets {
            change.adopt_secret(name, self.lock.secrets[name].clone(), parent(*side).files);
        }
        self.gone.iter().for_each(|name| change.remove_secret(name));
        Ok(change)
    }
}

/// Public files that are joined by what they say.
fn is_text(path: &str) -> bool {
    [POLICY_FILE, SIGNERS_FILE].contains(&path)
}

/// The side that each public file comes from. The public half of a key follows the private one.
fn join_files(
    [base, ours, theirs]: [&Lock; 3],
    secrets: &BTreeMap<SecretName, Side>,
    decide: &mut impl FnMut(Conflict) -> Side,
) -> BTreeMap<String, Side> {
    let paths: BTreeSet<&String> = ours.files.keys().chain(theirs.files.keys()).collect();
    let mut joined = BTreeMap::new();
    for path in paths.into_iter().filter(|path| !is_text(path)) {
        let [before, ours, theirs] = [base, ours, theirs].map(|lock| lock.files.get(path));
        let side = if theirs == before || ours == theirs {
            Side::Ours
        } else if ours == before {
            Side::Theirs
        } else if let Some(side) = private_half(path).and_then(|name| secrets.get(&name)) {
            *side
        } else {
            decide(Conflict::File(path.clone()))
        };
        let is_there = match side {
            Side::Ours => ours.is_some(),
            Side::Theirs => theirs.is_some(),
        };
        if is_there {
            joined.insert(path.clone(), side);
        }
    }
    joined
}

fn private_half(path: &str) -> Option<SecretName> {
    path.strip_suffix(".pub")?.parse().ok()
}

/// A value from one side must still be what the joined policy says that it is.
fn require_kinds(
    policy: &Policy,
    base: &Ancestor,
    parents: [Parent<'_>; 2],
    sides: &BTreeMap<SecretName, Side>,
) -> Result<(), MergeError> {
    for (name, side) in sides {
        let state = match side {
            Side::Ours => parents[0].state,
            Side::Theirs => parents[1].state,
        };
        let (now, then) = (policy.secret(name), state.policy().secret(name));
        let old = base.lock().secrets.get(name).map(|secret| secret.sha256);
        let is_new = old != state.lock().secrets.get(name).map(|secret| secret.sha256);
        if is_new && (now.kind != then.kind || now.from != then.from) {
            return Err(MergeError::Kind(name.clone()));
        }
    }
    Ok(())
}

/// What two states have in common: every state that both are or descend from.
#[must_use]
pub fn common(ours: &Verified, theirs: &Verified) -> BTreeSet<Digest> {
    let theirs: BTreeSet<Digest> = line(theirs).into_iter().collect();
    line(ours).into_iter().filter(|digest| theirs.contains(digest)).collect()
}

/// Whether `base` is the newest state that both descend from: all others that they have in common are its
/// own ancestors. Where Git sees the fork says nothing: nobody signs the parents of a commit.
#[must_use]
pub fn is_newest_common(base: &Ancestor, ours: &Verified, theirs: &Verified) -> bool {
    let common = common(ours, theirs);
    let is_older = |digest| base.lock().ancestors.contains(digest);
    common.contains(&base.lock_digest())
        && common.iter().all(|digest| *digest == base.lock_digest() || is_older(digest))
}

/// A state and all that it descends from, the newest first.
fn line(state: &Verified) -> Vec<Digest> {
    let mut line = vec![state.lock_digest()];
    line.extend(&state.lock().ancestors);
    line
}

/// Both parents, and the ancestors of both, the newest of each first.
fn ancestors(ours: &Verified, theirs: &Verified) -> Vec<Digest> {
    let (ours, theirs) = (line(ours), line(theirs));
    let mut seen = BTreeSet::new();
    let generations = (0..ours.len().max(theirs.len())).flat_map(|age| [ours.get(age), theirs.get(age)]);
    generations.flatten().copied().filter(|digest| seen.insert(*digest)).take(MAX_ANCESTORS).collect()
}

/// Why two states were not joined.
#[derive(Debug, Error, Diagnostic)]
pub enum MergeError {
    /// Two vaults.
    #[error("they are states of two different vaults")]
    #[diagnostic(help("two vaults cannot be joined; take secrets over with `vaultgen show` and `init`"))]
    OtherVault,
    /// The other side says that it does not count.
    #[error("one side is signed by {0}, whom the other side removed as a signer")]
    #[diagnostic(help(
        "whatever that key signed on a branch of its own counts no more: make those changes anew"
    ))]
    RemovedSigner(String),
    /// Not the state that both sides were made from.
    #[error("the state before the two sides is not the newest that they have in common")]
    #[diagnostic(help(
        "if each side joined the other before, let one take the other's join first: `git merge --ff-only`"
    ))]
    Base,
    /// What it is from one side, what it holds from the other.
    #[error("one side changed what {0} is, and the other side its value")]
    #[diagnostic(help("undo one of the two changes on its own branch, and join again"))]
    Kind(SecretName),
    /// The policies cannot be edited.
    #[error("vault.toml cannot be edited")]
    Editor,
    /// The joined policy is wrong.
    #[error("joined, the two policies contradict each other: {0}")]
    #[diagnostic(help("undo one of the two changes on its own branch, and join again"))]
    Policy(
        #[from]
        #[diagnostic_source]
        PolicyError,
    ),
    /// Both changed the same.
    #[error("both sides changed {}", list(.0))]
    #[diagnostic(help("say whose to take: --ours NAME, --theirs NAME, or --prefer ours|theirs for all"))]
    Undecided(BTreeSet<Conflict>),
}

fn list(conflicts: &BTreeSet<Conflict>) -> String {
    conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
