//! The facts of one state of a vault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use super::{
    Grade,
    readers::{ReaderKind, Readers},
};
use crate::{
    Digest, Lock, Policy, Recipient, SecretName, Timestamp, Verified,
    due::{self, What},
    facts::Facts,
    lock::{LockedSecret, Origin},
    policy::{Access, Action, GroupKind, Kind, SecretPolicy},
    signers::AllowedSigners,
    ssh,
    timestamp::as_text,
};

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

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

impl From<&Access> for AccessFacts {
    fn from(access: &Access) -> Self {
        Self {
            owner: access.owner.clone(),
            group: access.group.clone(),
            mode: format!("{:04o}", access.mode.bits()),
            services: access.services.iter().cloned().collect(),
        }
    }
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

impl From<&Facts> for PublicFacts {
    fn from(facts: &Facts) -> Self {
        match facts.clone() {
            Facts::Certificate(certificate) => Self::Certificate {
                subject: certificate.subject,
                issuer: certificate.issuer,
                names: certificate.names,
                not_before: certificate.not_before,
                not_after: certificate.not_after,
                key_type: certificate.key_type,
                spki_sha256: certificate.spki_sha256,
            },
            Facts::PrivateKey { spki_sha256 } => Self::PrivateKey { spki_sha256 },
            Facts::SshKey { fingerprint } => Self::SshKey { fingerprint },
            Facts::PasswordHash(hash) => Self::PasswordHash { scheme: hash.scheme, cost: hash.cost },
        }
    }
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

/// The secrets that the templates of a verified state show.
#[must_use]
pub fn shown_by_templates(vault: &Verified) -> Shown {
    let shown = |(path, template): (&SecretName, &crate::template::Template)| {
        (path.clone(), template.secrets().into_iter().cloned().collect())
    };
    vault.templates().iter().map(shown).collect()
}

impl StateFacts {
    /// The facts of a state at the moment `now`. `shown` says what the templates show, and `proof` what the bytes of
    /// a secret's file prove, where they were read.
    #[must_use]
    pub fn of(
        claims: Claims<'_>,
        shown: &Shown,
        proof: &dyn Fn(&SecretName) -> Option<Proof>,
        now: Timestamp,
    ) -> Self {
        let readers = Readers::of(claims.policy);
        let opened = opened_by_name(claims);
        Self {
            grade: claims.grade,
            id: claims.lock.id.to_string(),
            serial: claims.lock.serial,
            lock_sha256: claims.lock_digest,
            readers: reader_facts(claims.policy, &opened),
            machines: machine_facts(claims, &opened, shown),
            signers: claims.signers.iter().map(SignerFacts::of).collect(),
            secrets: secret_facts(claims, &readers, shown, proof, now),
            views: view_facts(claims.policy),
            templates: template_facts(claims.policy, &readers, shown),
        }
    }
}

impl SignerFacts {
    /// The facts of a line.
    #[must_use]
    pub fn of(signer: &crate::signers::Signer) -> Self {
        Self {
            principal: signer.principal().to_owned(),
            fingerprint: ssh::fingerprint(signer.key()),
            algorithm: signer.key().algorithm().to_string(),
            ended: signer.ended(),
        }
    }
}

/// The secrets that the keys of each name open.
fn opened_by_name(claims: Claims<'_>) -> BTreeMap<&str, Vec<&SecretName>> {
    let mut by_key: BTreeMap<&Recipient, Vec<&SecretName>> = BTreeMap::new();
    for (name, secret) in &claims.lock.secrets {
        for key in &secret.recipients {
            by_key.entry(key).or_default().push(name);
        }
    }
    let opened = |keys: &BTreeSet<Recipient>| -> Vec<&SecretName> {
        match keys.first() {
            Some(only) if keys.len() == 1 => by_key.get(only).cloned().unwrap_or_default(),
            _ => {
                let all = keys.iter().filter_map(|key| by_key.get(key)).flatten().copied();
                all.collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    };
    let groups = claims.policy.groups().iter();
    groups.map(|(name, group)| (name.as_str(), opened(&group.keys))).collect()
}

fn reader_facts(policy: &Policy, opened: &BTreeMap<&str, Vec<&SecretName>>) -> Vec<ReaderFacts> {
    let members = |name: &str, kind: ReaderKind, keys: &BTreeSet<Recipient>| -> Vec<String> {
        if kind != ReaderKind::Group {
            return Vec::new();
        }
        let others = policy.groups().iter().filter(|(other, group)| {
            other.as_str() != name && ReaderKind::of(group) != ReaderKind::Group && group.keys.is_subset(keys)
        });
        others.map(|(other, _)| other.clone()).collect()
    };
    let facts = policy.groups().iter().map(|(name, group)| {
        let kind = ReaderKind::of(group);
        ReaderFacts {
            name: name.clone(),
            kind,
            keys: group.keys.clone(),
            members: members(name, kind, &group.keys),
            decrypts: opened.get(name.as_str()).map_or(0, Vec::len),
        }
    });
    facts.collect()
}

fn machine_facts(
    claims: Claims<'_>,
    opened: &BTreeMap<&str, Vec<&SecretName>>,
    shown: &Shown,
) -> Vec<MachineFacts> {
    let machines = claims.policy.groups().iter().filter_map(|(name, group)| match &group.kind {
        GroupKind::Machine(profile) => Some((name, group, profile)),
        _ => None,
    });
    let facts = machines.map(|(name, group, profile)| {
        let decrypts: Vec<SecretName> =
            opened.get(name.as_str()).into_iter().flatten().map(|name| (*name).clone()).collect();
        let serves = served(claims.policy, &decrypts, &group.keys, shown);
        MachineFacts { name: name.clone(), profile: profile.clone(), decrypts, serves }
    });
    facts.collect()
}

/// The files of the mount of a machine that has these keys.
fn served(
    policy: &Policy,
    decrypts: &[SecretName],
    keys: &BTreeSet<Recipient>,
    shown: &Shown,
) -> Vec<ServedFacts> {
    let own = decrypts
        .iter()
        .map(|name| ServedFacts { path: name.clone(), access: (&policy.secret(name).access).into() });
    let views = policy.views().iter().filter(|(_, view)| decrypts.binary_search(&view.of).is_ok());
    let views = views.map(|(path, view)| ServedFacts { path: path.clone(), access: (&view.access).into() });
    let templates = policy.templates().iter().filter(|(_, template)| !template.audience.is_disjoint(keys));
    let templates = templates
        .map(|(path, _)| ServedFacts { path: path.clone(), access: template_access(policy, path, shown) });
    let mut served: Vec<ServedFacts> = own.chain(views).chain(templates).collect();
    served.sort_by(|one, other| one.path.cmp(&other.path));
    served
}

fn secret_facts(
    claims: Claims<'_>,
    readers: &Readers<'_>,
    shown: &Shown,
    proof: &dyn Fn(&SecretName) -> Option<Proof>,
    now: Timestamp,
) -> Vec<SecretFacts> {
    let mut views: BTreeMap<&SecretName, Vec<SecretName>> = BTreeMap::new();
    for (path, view) in claims.policy.views() {
        views.entry(&view.of).or_default().push(path.clone());
    }
    let mut templates: BTreeMap<&SecretName, Vec<SecretName>> = BTreeMap::new();
    for (path, secrets) in shown {
        for name in secrets {
            templates.entry(name).or_default().push(path.clone());
        }
    }
    let facts = claims.lock.secrets.iter().map(|(name, locked)| {
        let mut facts = SecretFacts::of(name, locked, claims.policy.secret(name), readers, now);
        facts.views = views.remove(name).unwrap_or_default();
        facts.templates = templates.remove(name).unwrap_or_default();
        facts.proved = proof(name);
        facts
    });
    facts.collect()
}

impl SecretFacts {
    fn of(
        name: &SecretName,
        locked: &LockedSecret,
        policy: &SecretPolicy,
        readers: &Readers<'_>,
        now: Timestamp,
    ) -> Self {
        let (names, unnamed_keys) = readers.resolve(&locked.recipients);
        let certificate_end = due::certificate_end(locked);
        let due = due::of_secret(name, locked, &policy.rotation).map(|due| DueFacts {
            what: due.what,
            at: due.at,
            is_due: due.what.is_due(due.at, now),
            over: due.at <= now,
        });
        Self {
            name: name.clone(),
            kind: policy.kind,
            description: policy.description.clone(),
            audience: policy.groups.clone(),
            readers: names,
            unnamed_keys,
            access: (&policy.access).into(),
            on_change: policy
                .on_change
                .iter()
                .map(|Action { verb, unit }| format!("{verb} {unit}"))
                .collect(),
            from: policy.from.clone(),
            views: Vec::new(),
            templates: Vec::new(),
            created: locked.created,
            rotated: locked.rotated,
            age_days: days_between(locked.rotated, now),
            origin: locked.origin,
            rotate_after_days: policy
                .rotation
                .after
                .map(|after| after.as_secs() / SECONDS_OF_A_DAY.unsigned_abs()),
            due: due.collect(),
            exposed_to: locked.exposed_to.clone(),
            facts: locked.facts.as_ref().map(PublicFacts::from),
            days_left: certificate_end.map(|end| days_between(now, end)),
            proved: None,
        }
    }
}

/// Whole days from one moment to another, rounded down.
pub(super) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.date_time() - from.date_time()).whole_seconds().div_euclid(SECONDS_OF_A_DAY)
}

fn view_facts(policy: &Policy) -> Vec<ViewFacts> {
    let views = policy.views().iter();
    let facts = views.map(|(path, view)| ViewFacts {
        path: path.clone(),
        of: view.of.clone(),
        access: (&view.access).into(),
    });
    facts.collect()
}

fn template_facts(policy: &Policy, readers: &Readers<'_>, shown: &Shown) -> Vec<TemplateFacts> {
    let templates = policy.templates().iter();
    let facts = templates.map(|(path, template)| TemplateFacts {
        path: path.clone(),
        source: template.source.clone(),
        secrets: shown.get(path).into_iter().flatten().cloned().collect(),
        readers: readers.resolve(&template.audience).0,
        access: template_access(policy, path, shown),
    });
    facts.collect()
}

/// Who may open a template: its own rule, or that of what it shows.
fn template_access(policy: &Policy, path: &SecretName, shown: &Shown) -> AccessFacts {
    let template = &policy.templates()[path];
    let secrets = shown.get(path).into_iter().flatten().collect();
    let services = policy.template_services(template, &secrets).into_iter().flatten().collect();
    AccessFacts {
        owner: template.owner.clone(),
        group: template.group.clone(),
        mode: format!("{:04o}", template.mode.bits()),
        services,
    }
}
