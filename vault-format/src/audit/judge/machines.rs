//! What machines can decrypt without need.

use std::collections::BTreeSet;

use super::Lines;
use crate::{
    SecretName,
    audit::{
        Claims, Code, Finding, Grade, Severity, StateFacts,
        state::{AccessFacts, MachineFacts},
    },
    policy::Kind,
    profile::Profile,
};

/// What machines can decrypt without need.
pub(super) fn of_machines(claims: Claims<'_>, facts: &StateFacts, lines: &Lines<'_>) -> Vec<Finding> {
    let derived: BTreeSet<&SecretName> = claims
        .lock
        .secrets
        .keys()
        .filter(|name| claims.policy.secret(name).kind == Kind::PasswordHash)
        .filter_map(|name| claims.policy.secret(name).from.as_ref())
        .collect();
    let mut findings = Vec::new();
    for machine in &facts.machines {
        for name in &machine.decrypts {
            let needless = needless(name, claims, machine.profile.as_deref(), &derived)
                .map(|why| (Code::AudienceTooWide.severity(), why))
                .or_else(|| Some((Severity::Low, no_use(name, claims, facts, machine)?)));
            let Some((severity, why)) = needless else { continue };
            let reason = format!("{} can decrypt {name}: {why}", machine.name);
            let finding = Finding::new(Code::AudienceTooWide, claims.grade, lines.secret(name), reason);
            findings.push(finding.about(name).at(severity));
        }
    }
    findings
}

/// Why a machine does not need a secret, where that can be told.
fn needless(
    name: &SecretName,
    claims: Claims<'_>,
    profile: Option<&str>,
    derived: &BTreeSet<&SecretName>,
) -> Option<&'static str> {
    let policy = claims.policy.secret(name);
    let names_services = !policy.access.services.is_empty();
    if policy.kind == Kind::PrivateKey && name.as_str().ends_with("-ca-key.pem") && !names_services {
        return Some("the key of a certificate authority belongs to people");
    }
    if policy.kind == Kind::SshKey && policy.access.owner == "root" && !names_services {
        return Some("a login key belongs to people, and no service is named for it");
    }
    let gets = profile == Some(Profile::OdooBox.name()) && Profile::OdooBox.includes(name, policy.kind);
    if policy.kind == Kind::Password && derived.contains(name) && !gets && !names_services {
        return Some("its hash is enough for a login, and no service is named for it");
    }
    None
}

/// Why no service of a machine is known to need a secret. Which services a machine has is not in the policy, but who may
/// open what is: where that is the superuser alone, under each of its paths, the policy was never told of a use.
fn no_use(
    name: &SecretName,
    claims: Claims<'_>,
    facts: &StateFacts,
    machine: &MachineFacts,
) -> Option<&'static str> {
    let policy = claims.policy.secret(name);
    // Certificates are public, and hashes are for logins, which the superuser sets up.
    let is_exempt = matches!(policy.kind, Kind::Certificate | Kind::PasswordHash);
    let profile = machine.profile.as_deref();
    let gets = profile == Some(Profile::OdooBox.name()) && Profile::OdooBox.includes(name, policy.kind);
    // What the templates of a state show is known only where it is sound.
    let is_unknown = claims.grade == Grade::GitClaim && !facts.templates.is_empty();
    if is_exempt || gets || is_unknown || !policy.on_change.is_empty() {
        return None;
    }
    let at = facts.secrets.binary_search_by(|secret| secret.name.cmp(name)).ok()?;
    let secret = &facts.secrets[at];
    let mut paths = [name].into_iter().chain(&secret.views).chain(&secret.templates);
    let is_used = paths.any(|path| {
        let served = machine.serves.binary_search_by(|served| served.path.cmp(path));
        served.is_ok_and(|at| !is_for_superuser_alone(&machine.serves[at].access))
    });
    (!is_used).then_some("only root may open it there, and no service is named for it")
}

fn is_for_superuser_alone(access: &AccessFacts) -> bool {
    let AccessFacts { owner, group, mode, services } = access;
    let [.., of_group, of_others] = mode.as_bytes() else { return false };
    let is_shared = *of_others != b'0' || *of_group != b'0' && group != "root";
    owner == "root" && !is_shared && services.is_empty()
}
