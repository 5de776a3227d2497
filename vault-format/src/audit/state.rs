//! The facts of one state of a vault.

mod making;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

pub(super) use self::making::days_between;
pub use self::making::shown_by_templates;
use super::{Grade, readers::ReaderKind};
use crate::{
    Digest, Lock, Policy, Recipient, SecretName, Timestamp, Verified, due::What, lock::Origin, policy::Kind,
    signers::AllowedSigners, timestamp::as_text,
};

/// What a state says of itself: of a verified one what was signed, else what the files say that anybody may have
/// written.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The facts about every file.
    pub lock: &'a Lock,
    /// SHA-256 of the lock.
    pub lock_digest: Digest,
    /// Who may decrypt and read what.
    pub policy: &'a Policy,
    /// Who may sign the next state.
    pub signers: &'a AllowedSigners,
    /// How far all of that can be believed.
    pub grade: Grade,
}

impl<'a> From<&'a Verified> for Claims<'a> {
    fn from(vault: &'a Verified) -> Self {
        Self {
            lock: vault.lock(),
            lock_digest: vault.lock_digest(),
            policy: vault.policy(),
            signers: vault.signers(),
            grade: Grade::SignedClaim,
        }
    }
}

/// What the bytes of an age file prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// How long it is.
    pub bytes: u64,
    /// How long its plaintext is.
    pub plaintext_bytes: Option<u64>,
    /// The types of its recipient stanzas: how many keys open it, and of which kind.
    pub stanzas: Vec<String>,
}

/// Everything that one state says, resolved to people and machines.
#[derive(Clone, Debug, Serialize)]
pub struct StateFacts {
    /// How far what follows can be believed, but for what is called proved.
    pub grade: Grade,
    /// Which vault it is.
    pub id: String,
    /// Grows with each change.
    pub serial: u64,
    /// SHA-256 of the lock: the name of the state.
    pub lock_sha256: Digest,
    /// Whose keys there are.
    pub readers: Vec<ReaderFacts>,
    /// Each machine, with what it can decrypt and what may be opened on it.
    pub machines: Vec<MachineFacts>,
    /// Who may sign the next state.
    pub signers: Vec<SignerFacts>,
    /// Each secret.
    pub secrets: Vec<SecretFacts>,
    /// Each view: a second path of a secret.
    pub views: Vec<ViewFacts>,
    /// Each template.
    pub templates: Vec<TemplateFacts>,
}

/// A name of the policy that keys stand for.
#[derive(Clone, Debug, Serialize)]
pub struct ReaderFacts {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: ReaderKind,
    /// The keys, through however many groups.
    pub keys: BTreeSet<Recipient>,
    /// Whom a group consists of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// How many secrets its keys open.
    pub decrypts: usize,
}

/// A machine.
#[derive(Clone, Debug, Serialize)]
pub struct MachineFacts {
    /// Its name.
    pub name: String,
    /// Which secrets it got when it was added.
    pub profile: Option<String>,
    /// The secrets that its keys open.
    pub decrypts: Vec<SecretName>,
    /// The paths of its mount, each with who may open it there.
    pub serves: Vec<ServedFacts>,
}

/// A path of a machine's mount.
#[derive(Clone, Debug, Serialize)]
pub struct ServedFacts {
    /// The path below the mount point.
    pub path: SecretName,
    /// Who may open it.
    #[serde(flatten)]
    pub access: AccessFacts,
}

/// Who may open a file where it is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessFacts {
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Permission bits, as `0400`.
    pub mode: String,
    /// The units whose processes may open it; empty where there is no such rule.
    pub services: Vec<String>,
}

/// A line of the vault's `allowed_signers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerFacts {
    /// The signer's name.
    pub principal: String,
    /// The fingerprint as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The key's algorithm, such as `ssh-ed25519`.
    pub algorithm: String,
    /// Whether the signer was removed.
    pub ended: bool,
}

/// One secret.
#[derive(Clone, Debug, Serialize)]
pub struct SecretFacts {
    /// Its name.
    pub name: SecretName,
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub description: Option<String>,
    /// The groups and machines that the policy names for it.
    pub audience: Vec<String>,
    /// The people and machines whose keys open it.
    pub readers: BTreeSet<String>,
    /// Keys that open it and that no name stands for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed_keys: BTreeSet<Recipient>,
    /// Who may open it where it is served.
    #[serde(flatten)]
    pub access: AccessFacts,
    /// What is done where it is served when it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_change: Vec<String>,
    /// The secret that it is derived from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<SecretName>,
    /// Its other paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<SecretName>,
    /// The templates that show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<SecretName>,
    /// When it came into the vault.
    #[serde(serialize_with = "as_text")]
    pub created: Timestamp,
    /// When its value last changed.
    #[serde(serialize_with = "as_text")]
    pub rotated: Timestamp,
    /// For how many days it has had this value.
    pub age_days: i64,
    /// Where its value comes from.
    pub origin: Origin,
    /// After how many days it is to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_after_days: Option<u64>,
    /// What ends or is to be changed, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub due: Vec<DueFacts>,
    /// Keys that knew the present value and belong to its audience no more.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_to: BTreeSet<Recipient>,
    /// Public facts of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<PublicFacts>,
    /// For how many days its certificate is still valid; negative after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// What the bytes of its file prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proved: Option<Proof>,
}

/// Public facts of a secret's kind, as a report has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum PublicFacts {
    /// Of a certificate.
    Certificate {
        /// The subject's distinguished name.
        subject: String,
        /// The issuer's distinguished name.
        issuer: String,
        /// DNS names and IP addresses.
        names: Vec<String>,
        /// Start of validity.
        #[serde(serialize_with = "as_text")]
        not_before: Timestamp,
        /// End of validity.
        #[serde(serialize_with = "as_text")]
        not_after: Timestamp,
        /// The key's type.
        key_type: String,
        /// What certificate and key have in common.
        spki_sha256: Digest,
    },
    /// Of the private key of a certificate.
    PrivateKey {
        /// What certificate and key have in common.
        spki_sha256: Digest,
    },
    /// Of an SSH key.
    SshKey {
        /// The fingerprint as `ssh-keygen -l` prints it.
        fingerprint: String,
    },
    /// Of a password hash.
    PasswordHash {
        /// The scheme's name in crypt(5).
        scheme: String,
        /// The cost parameter as it stands in the hash.
        cost: String,
    },
}

impl fmt::Display for PublicFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { subject, key_type, names, not_after, .. } => {
                let day = not_after.date_time().date();
                write!(f, "{subject} ({key_type}) for {} until {day}", names.join(" "))
            }
            Self::PrivateKey { spki_sha256 } => {
                let digest = spki_sha256.to_string();
                write!(f, "key {}", digest.get(..16).unwrap_or(&digest))
            }
            Self::SshKey { fingerprint } => f.write_str(fingerprint),
            Self::PasswordHash { scheme, cost } => write!(f, "{scheme} at cost {cost}"),
        }
    }
}

/// Something that ends, or is to be changed.
#[derive(Clone, Debug, Serialize)]
pub struct DueFacts {
    /// What.
    pub what: What,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Whether that is near enough to do something.
    pub is_due: bool,
    /// Whether that is past.
    pub over: bool,
}

/// A second path of a secret.
#[derive(Clone, Debug, Serialize)]
pub struct ViewFacts {
    /// The path below the mount point.
    pub path: SecretName,
    /// The secret that it shows.
    pub of: SecretName,
    /// Who may open it.
    #[serde(flatten)]
    pub access: AccessFacts,
}

/// A text with secrets in it.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateFacts {
    /// The path below the mount point.
    pub path: SecretName,
    /// The file with its text.
    pub source: SecretName,
    /// The secrets that it shows, where its text could be read.
    pub secrets: Vec<SecretName>,
    /// The people and machines that can render it.
    pub readers: BTreeSet<String>,
    /// Who may open it.
    #[serde(flatten)]
    pub access: AccessFacts,
}

/// Which secrets each template shows, by the template's path.
pub type Shown = BTreeMap<SecretName, BTreeSet<SecretName>>;
