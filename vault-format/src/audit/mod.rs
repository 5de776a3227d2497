//! What an auditor may know of a vault without a private key.
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`state`] | the facts of one state: who can decrypt, who may open, what is old |
//! | [`readers`] | which people and machines a public key stands for |
//! | [`change`] | what came between two states |
//! | `rename` | which secret went on under another name |
//! | [`finding`] | what can be wrong, with code, severity and remedy |
//! | [`judge`] | what is wrong with one state |
//!
//! Everything here is a value that can be written as JSON; nothing here reads a file. Each fact has a
//! [`Grade`]: how much it takes to doubt it.

pub mod change;
pub mod finding;
pub mod judge;
pub mod readers;
mod rename;
pub mod state;

use serde::{Deserialize, Serialize};

pub use self::{
    change::{Change, changes},
    finding::{Code, Finding, Place, Severity},
    readers::Readers,
    state::{Claims, StateFacts},
};

/// How well a fact is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// It follows from bytes that anybody can check: a digest, a signature, the stanzas of an age file.
    Proved,
    /// A signer says so; who can decrypt an age file, and what is in it, nobody can tell from outside.
    SignedClaim,
    /// Git says so, or a file that nobody signed: whoever can push could have written it.
    GitClaim,
}

impl Grade {
    /// As JSON and the other formats for programs have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::SignedClaim => "signed-claim",
            Self::GitClaim => "git-claim",
        }
    }
}
