//! The result of an audit, as `--json` prints it. `docs/audit.schema.json` describes it, and a test holds each
//! report against that.

use serde::Serialize;
use vault_format::{
    Digest, Recipient, SecretName, Timestamp,
    audit::{Change, Finding, StateFacts, state::AccessFacts, state::SignerFacts},
    timestamp::as_text,
};

use crate::former::FormerName;

/// Everything that an audit found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it was made: what is due goes by this.
    #[serde(serialize_with = "as_text")]
    pub made: Timestamp,
    /// What was asked.
    pub question: Question,
    /// Whose word the signatures are held against.
    pub trust: Trust,
    /// Each vault of the repository.
    pub vaults: Vec<VaultReport>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// What is wrong, and allowed.
    pub allowed: Vec<AllowedFinding>,
    /// What is odd about the list of what is allowed.
    pub notes: Vec<String>,
}

/// What was asked.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// Of which states.
    #[serde(flatten)]
    pub scope: Scope,
    /// The secret that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The time that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// Whether the clone lacks a part of the history.
    pub shallow: bool,
}

/// Of which states.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum Scope {
    /// The work tree, and the history before it.
    WorkTree {
        /// The commit that is checked out.
        #[serde(skip_serializing_if = "Option::is_none")]
        head: Option<String>,
    },
    /// A commit, and the history before it.
    Revision {
        /// As it was named.
        name: String,
        /// The commit.
        commit: String,
    },
    /// What came after one commit, up to another.
    Range {
        /// As they were named.
        name: String,
        /// The commit before.
        from: String,
        /// The last one.
        to: String,
    },
}

/// A day, a month or a year, and the commit that was the newest at its end.
#[derive(Debug, Clone, Serialize)]
pub struct At {
    /// As it was named.
    pub name: String,
    /// Its first moment.
    #[serde(serialize_with = "as_text")]
    pub from: Timestamp,
    /// Its last moment.
    #[serde(serialize_with = "as_text")]
    pub to: Timestamp,
    /// The newest commit at its end.
    pub commit: String,
    /// Where the date comes from.
    pub source: &'static str,
}

/// Whose word the signatures are held against.
#[derive(Debug, Clone, Serialize)]
pub struct Trust {
    /// Whether the signers come from outside of the repository.
    pub from_outside: bool,
    /// What that means, in a sentence.
    pub statement: &'static str,
    /// The signers from outside.
    pub signers: Vec<SignerFacts>,
}

/// One vault.
#[derive(Debug, Serialize)]
pub struct VaultReport {
    /// Its folder in the repository; empty for the top.
    pub path: String,
    /// How the last state stands.
    pub verdict: Verdict,
    /// Who signed the last state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerFacts>,
    /// The commit that has the last state; nothing where it is only in the work tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitFacts>,
    /// The last state; nothing where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFacts>,
    /// Keys that are in the audience of a secret no more and know its present value, by the names that they had last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed_keys: Vec<RemovedKey>,
    /// Its changes, the oldest first.
    pub history: Vec<Step>,
    /// Who could read the secret that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<SecretAccess>,
}

/// A key that was taken out of an audience, and whose it was.
#[derive(Debug, Serialize)]
pub struct RemovedKey {
    /// The public key.
    pub key: Recipient,
    /// By what a policy called it last.
    #[serde(flatten)]
    pub former: FormerName,
}

/// How a state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Signed by a signer, and just as it was signed.
    Sound,
    /// Something is not as it was signed, or nobody signed it whom the reader trusts.
    Unsound,
    /// A vault of Odoo Box: nobody signs those.
    Legacy,
    /// The vault is not there any more.
    Gone,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Unsound => "unsound",
            Self::Legacy => "legacy",
            Self::Gone => "gone",
        }
    }
}

/// A commit, as Git says.
#[derive(Debug, Clone, Serialize)]
pub struct CommitFacts {
    /// Its id.
    pub id: String,
    /// Who wrote the change.
    pub author: PersonFacts,
    /// Who committed it.
    pub committer: PersonFacts,
    /// The first line of the message.
    pub subject: String,
}

/// Somebody whom a commit names. Anybody can write any name.
#[derive(Debug, Clone, Serialize)]
pub struct PersonFacts {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
}

/// One commit that changed a vault.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The commit; nothing for what is in the work tree only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitFacts>,
    /// Whether it is on the line of first parents: what the branch itself went through.
    pub main_line: bool,
    /// Whether it joins several lines.
    pub merge: bool,
    /// How the state stands.
    pub verdict: Verdict,
    /// Why it is not sound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// SHA-256 of the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_sha256: Option<Digest>,
    /// Who signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerFacts>,
    /// Whether the signer is one of those from outside today.
    pub signer_trusted: bool,
    /// Whether signer and committer look like the same person: the signer's name is the committer's name or address.
    pub signed_by_committer: bool,
    /// Whether it descends from the state before it, and is newer.
    pub follows: bool,
    /// What changed.
    pub changes: Vec<Change>,
}

/// Who could read a secret.
#[derive(Debug, Serialize)]
pub struct SecretAccess {
    /// Its name.
    pub secret: SecretName,
    /// Whether the last state has it.
    pub present: bool,
    /// Everybody who could decrypt it at any moment of the time asked about.
    pub readers: Vec<ReaderAccess>,
    /// Where it is served, and to whom, at the end of the time asked about.
    pub served: Vec<MachineAccess>,
    /// When its value changed, as the signers say.
    pub rotated: Vec<String>,
}

/// For how long one key could read a secret.
#[derive(Debug, Serialize)]
pub struct ReaderAccess {
    /// The people and machines that the key stands for.
    pub names: Vec<String>,
    /// The key.
    pub key: Recipient,
    /// When and by whom it was let in.
    pub since: Moment,
    /// When and by whom it was taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Whether it can decrypt the last state.
    pub still: bool,
    /// Whether the last state has a value that it could read; never of a secret that was taken out.
    pub knows_present_value: bool,
    /// Whether it could on a side branch only. Then it is taken out by the last commit after which no line of that
    /// branch has it, or by the merge.
    pub side_branch: bool,
}

/// A commit that let somebody in or took somebody out.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// The commit.
    pub commit: String,
    /// When it was committed, as Git says.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Who committed it, as Git says.
    pub committer: String,
    /// Who signed that state.
    pub signer: Option<String>,
}

/// Who may open a secret on a machine.
#[derive(Debug, Serialize)]
pub struct MachineAccess {
    /// The machine.
    pub machine: String,
    /// The path below the mount point.
    pub path: SecretName,
    /// Who may open it.
    #[serde(flatten)]
    pub access: AccessFacts,
}

/// Something that is wrong and allowed.
#[derive(Debug, Serialize)]
pub struct AllowedFinding {
    /// What.
    pub finding: Finding,
    /// Why it is allowed.
    pub reason: String,
    /// Until when.
    pub until: String,
}
