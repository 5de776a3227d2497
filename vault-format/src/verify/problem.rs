//! What can be wrong with a vault, and what to do about it.

use miette::Diagnostic;
use thiserror::Error;

use super::TemplateProblem;
use crate::{
    SecretName, cipher::CipherError, folder::FolderError, lock::LockError, policy::PolicyError,
    signature::SignatureError, signers::SignersError,
};

/// Everything that is wrong with a vault.
#[derive(Debug, Error, Diagnostic)]
#[error("the vault is not sound: {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })]
pub struct Unsound {
    #[related]
    pub(super) problems: Vec<Problem>,
}

impl Unsound {
    /// Each problem.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl IntoIterator for Unsound {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.into_iter()
    }
}

impl FromIterator<Problem> for Unsound {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self { problems: problems.into_iter().collect() }
    }
}

impl From<Problem> for Unsound {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// One thing that makes a vault unsound.
#[derive(Debug, Error, Diagnostic)]
pub enum Problem {
    /// The signature does not hold.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    /// The lock cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// The policy is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Policy(#[from] PolicyError),
    /// The vault's own signers are wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signers(#[from] SignersError),
    /// A file is missing or cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FolderError),
    /// Not UTF-8.
    #[error("{0} is not a text file")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    NotText(&'static str),
    /// The lock leaves a file out that it must cover.
    #[error("vault.lock does not cover {0}")]
    #[diagnostic(help(
        "it is signed, so a faulty odbox wrote it: report this with the lock, which holds no secret"
    ))]
    NotCovered(&'static str),
    /// Another digest than the lock says.
    #[error("{0} is not what was signed")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault; if you changed it yourself, `vaultgen sign` shows what that means"
    ))]
    Changed(String),
    /// A ciphertext that is not age.
    #[error("{path}: {error}")]
    Ciphertext {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[diagnostic_source]
        error: CipherError,
    },
    /// Another number or type of recipient stanzas than the lock says.
    #[error("{path} is encrypted to {}", how_else(*found, *expected))]
    #[diagnostic(help("the lock is wrong about who can decrypt it: find out who signed this state"))]
    Stanzas {
        /// The file.
        path: String,
        /// How many the lock says.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Not among the ancestors of the present state.
    #[error("it is no state that the present one (serial {serial}) descends from")]
    #[diagnostic(help(
        "the lock names its last 512 ancestors; of an older or foreign state take what you need by hand"
    ))]
    NotAnAncestor {
        /// The present serial.
        serial: u64,
    },
    /// A link or special file.
    #[error("{0} is a symbolic link or a special file")]
    #[diagnostic(help("a vault holds plain files and folders only; remove it"))]
    NotPlain(String),
    /// A ciphertext or template that nobody signed.
    #[error("{0} is not in the lock")]
    #[diagnostic(help("nobody signed this file: remove it, or add the secret with `vaultgen`"))]
    Extra(String),
    /// Encrypted to other keys than the policy says.
    #[error("{0} is not encrypted to the keys that the policy names")]
    #[diagnostic(help("encrypt it anew with `vaultgen sign`"))]
    Audience(SecretName),
    /// A view of a secret that does not exist.
    #[error("the view {view} shows {of}, which is not in the vault")]
    #[diagnostic(help("remove the view from vault.toml, or add the secret"))]
    ViewOfNothing {
        /// The view.
        view: SecretName,
        /// What it should show.
        of: SecretName,
    },
    /// A template that is wrong, or shows more than it may.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Template(#[from] TemplateProblem),
    /// Two names for one path.
    #[error("{name} and {other} differ only in case, or are the same")]
    #[diagnostic(help("give one of them another name"))]
    SamePath {
        /// One.
        name: SecretName,
        /// The other.
        other: SecretName,
    },
    /// A file where a folder must be.
    #[error("{name} lies below {file}, which is a file")]
    #[diagnostic(help("give one of them another name"))]
    BelowFile {
        /// The lower one.
        name: SecretName,
        /// The upper one.
        file: SecretName,
    },
}

fn how_else(found: usize, expected: usize) -> String {
    match found == expected {
        true => "other kinds of keys than those that the lock names".to_owned(),
        false => format!("{found} keys, and not to the {expected} that the lock names"),
    }
}

/// Something that does not make a vault unsound.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Warning {
    /// A file that is no part of the vault.
    #[error("{0} is not part of the vault, and is ignored")]
    Unlisted(String),
    /// A ciphertext that is signed as a file, since nobody could open it.
    #[error("{0} is signed, but is no secret of this vault: nobody could open it")]
    Unopened(String),
    /// Somebody who was removed still knows the value.
    #[error("{name} is known to {keys} removed key{}: change it at its source, and `vaultgen rotate` it", if *.keys == 1 { "" } else { "s" })]
    Exposed {
        /// The secret.
        name: SecretName,
        /// How many keys.
        keys: usize,
    },
}
