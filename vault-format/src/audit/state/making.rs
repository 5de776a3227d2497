//! How the facts of a state are made: its lock and its policy, resolved to people and machines.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AccessFacts, Claims, DueFacts, MachineFacts, Proof, PublicFacts, ReaderFacts, SecretFacts, ServedFacts,
    Shown, SignerFacts, StateFacts, TemplateFacts, ViewFacts,
};
use crate::{
    Policy, Recipient, SecretName, Timestamp, Verified,
    audit::readers::{ReaderKind, Readers},
    due,
    facts::Facts,
    lock::LockedSecret,
    policy::{Access, Action, GroupKind, SecretPolicy},
    ssh,
};

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

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
pub(in crate::audit) fn days_between(from: Timestamp, to: Timestamp) -> i64 {
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
