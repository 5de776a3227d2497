//! Reports of any size, as no audit made them.

use std::collections::BTreeSet;

use time::macros::datetime;
use vault_format::{
    Digest, Recipient, SecretName, Timestamp,
    audit::{
        Change, Code, Finding, Grade, Place, StateFacts,
        change::{Direction, KeyNames},
        readers::ReaderKind,
        state::{AccessFacts, DueFacts, MachineFacts, ReaderFacts, SecretFacts, ServedFacts, SignerFacts},
    },
    due::What,
    lock::Origin,
    policy::Kind,
};

use crate::audit::report::{
    AllowedFinding, CommitFacts, MachineAccess, Moment, PersonFacts, Question, ReaderAccess, Report, Scope,
    SecretAccess, Step, Trust, VaultReport, Verdict,
};

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
const MACHINES: [&str; 5] = ["web-1", "web-2", "db-1", "mail", "backup"];
const FOLDERS: [&str; 7] = ["certs", "passwords", "ssh", "tokens/api", "mail", "database", "backup/keys"];
const OWNERS: [&str; 4] = ["root", "www-data", "postgres", "odoo"];
const STEPS: usize = 48;

/// A report of one vault with so many secrets, and a finding of every code.
pub fn report(secrets: usize) -> Report {
    let state = state(secrets);
    Report {
        made: now(),
        question: question(),
        trust: Trust {
            from_outside: false,
            statement: "trust is anchored in this repository",
            signers: vec![],
        },
        findings: findings(&state),
        allowed: vec![allowed()],
        notes: vec!["an entry of the list allows nothing".to_owned()],
        vaults: vec![VaultReport {
            path: "vault".to_owned(),
            verdict: Verdict::Sound,
            signer: Some(signer("alice")),
            commit: Some(commit(0)),
            removed_keys: vec![],
            history: (0..STEPS).map(|index| step(index, &state)).collect(),
            access: Some(access(&state)),
            state: Some(state),
        }],
    }
}

fn now() -> Timestamp {
    datetime!(2026-11-20 12:00 UTC).into()
}

fn days_ago(days: usize) -> Timestamp {
    let days = i64::try_from(days).expect("a number of days");
    (now().date_time() - time::Duration::days(days)).into()
}

fn question() -> Question {
    Question { scope: Scope::WorkTree { head: Some("a".repeat(40)) }, secret: None, at: None, shallow: false }
}

/// A key that anybody may know.
pub fn key() -> Recipient {
    age::x25519::Identity::generate().to_public().to_string().parse().expect("a recipient")
}

fn name(index: usize) -> SecretName {
    format!("{}/item-{index:04}", FOLDERS[index % FOLDERS.len()]).parse().expect("a name")
}

/// Someone who may sign.
pub fn signer(name: &str) -> SignerFacts {
    SignerFacts {
        principal: format!("{name}@example.org"),
        fingerprint: "SHA256:OIuaBRWkRerr3JOb1+uJNYdK+guHCTKkv7pSdX7j6DM".to_owned(),
        algorithm: "ssh-ed25519".to_owned(),
        ended: false,
    }
}

fn opened_by(index: usize) -> AccessFacts {
    let owner = OWNERS[index % OWNERS.len()];
    let services = if owner == "www-data" { vec!["nginx.service".to_owned()] } else { vec![] };
    AccessFacts { owner: owner.to_owned(), group: owner.to_owned(), mode: "0400".to_owned(), services }
}

fn state(secrets: usize) -> StateFacts {
    let secrets: Vec<SecretFacts> = (0..secrets).map(secret).collect();
    StateFacts {
        grade: Grade::SignedClaim,
        id: "0b5c020ccb2c47ddd66ddeaa69f87ea4".to_owned(),
        serial: 48,
        lock_sha256: Digest::of(b"lock"),
        readers: readers(&secrets),
        machines: MACHINES.iter().map(|machine| self::machine(machine, &secrets)).collect(),
        signers: vec![signer("alice"), SignerFacts { ended: true, ..signer("bob") }],
        secrets,
        views: vec![],
        templates: vec![],
    }
}

fn readers(secrets: &[SecretFacts]) -> Vec<ReaderFacts> {
    let people = PEOPLE.iter().map(|name| (*name, ReaderKind::Person));
    let machines = MACHINES.iter().map(|name| (*name, ReaderKind::Machine));
    let all = people.chain([("offline", ReaderKind::Recovery)]).chain(machines);
    let facts = all.map(|(name, kind)| ReaderFacts {
        name: name.to_owned(),
        kind,
        keys: BTreeSet::from([key()]),
        members: vec![],
        decrypts: secrets.iter().filter(|secret| secret.readers.contains(name)).count(),
    });
    facts.collect()
}

fn secret(index: usize) -> SecretFacts {
    let folder = index % FOLDERS.len();
    // Some folders differ within, so that a large vault has more bundles than fit.
    let variant = (index / FOLDERS.len()) % 9;
    let mut readers: BTreeSet<String> = ["alice", "bob", "offline"].map(str::to_owned).into();
    readers.insert(MACHINES[folder % MACHINES.len()].to_owned());
    if variant > 4 {
        readers.insert(PEOPLE[variant - 3].to_owned());
    }
    SecretFacts {
        name: name(index),
        kind: Kind::ALL[index % Kind::ALL.len()],
        description: (index % 5 == 0).then(|| "what the front door asks for".to_owned()),
        audience: vec!["ops".to_owned()],
        readers,
        unnamed_keys: BTreeSet::new(),
        access: opened_by(index % FOLDERS.len() + variant % 2),
        on_change: vec![],
        from: None,
        views: vec![],
        templates: vec![],
        created: days_ago(700),
        rotated: days_ago(index % 600),
        age_days: i64::try_from(index % 600).expect("an age"),
        origin: Origin::Generated,
        rotate_after_days: Some(365),
        due: (index % 50 == 3).then(|| due(index)).into_iter().collect(),
        exposed_to: BTreeSet::new(),
        facts: None,
        days_left: None,
        proved: None,
    }
}

fn due(index: usize) -> DueFacts {
    let at = now().date_time() + time::Duration::days(i64::try_from(index % 80).expect("days") - 10);
    DueFacts { what: What::Rotation, at: at.into(), is_due: true, over: at < now().date_time() }
}

fn machine(name: &str, secrets: &[SecretFacts]) -> MachineFacts {
    let own: Vec<_> = secrets.iter().filter(|secret| secret.readers.contains(name)).collect();
    let serves =
        own.iter().map(|secret| ServedFacts { path: secret.name.clone(), access: secret.access.clone() });
    MachineFacts {
        name: name.to_owned(),
        profile: Some("web".to_owned()),
        serves: serves.collect(),
        decrypts: own.iter().map(|secret| secret.name.clone()).collect(),
    }
}

fn commit(days: usize) -> CommitFacts {
    let who = PEOPLE[days % PEOPLE.len()];
    let person =
        PersonFacts { name: who.to_owned(), email: format!("{who}@example.org"), at: days_ago(days) };
    CommitFacts {
        id: Digest::of(&days.to_le_bytes()).to_string()[..40].to_owned(),
        author: person.clone(),
        committer: person,
        subject: format!("vault: step of {days} days ago"),
    }
}

fn step(index: usize, state: &StateFacts) -> Step {
    let broken = index == 20;
    Step {
        commit: Some(commit((STEPS - index) * 15)),
        main_line: index % 9 != 4,
        merge: index % 9 == 5,
        verdict: if broken { Verdict::Unsound } else { Verdict::Sound },
        problems: if broken { vec!["vault.toml is not as it was signed".to_owned()] } else { vec![] },
        serial: Some(index as u64 + 1),
        lock_sha256: None,
        signer: (!broken).then(|| signer(PEOPLE[index % 3])),
        signer_trusted: true,
        signed_by_committer: index % 4 != 1,
        follows: !broken,
        changes: changes(index, state),
    }
}

fn changes(index: usize, state: &StateFacts) -> Vec<Change> {
    let names: Vec<SecretName> = state.secrets.iter().map(|secret| secret.name.clone()).collect();
    let some: Vec<SecretName> = names.iter().skip(index % names.len()).step_by(11).cloned().collect();
    let readers = vec![KeyNames { key: key(), names: vec![PEOPLE[index % PEOPLE.len()].to_owned()] }];
    match index % 6 {
        0 if index == 0 => vec![Change::Added { secrets: names, readers }],
        0 | 1 => vec![Change::Rotated { secrets: some }],
        2 => vec![Change::Gained { secrets: some, readers }],
        3 => vec![Change::Lost { secrets: some, readers }],
        4 => vec![Change::Access {
            path: names[index % names.len()].clone(),
            before: opened_by(0),
            after: opened_by(1),
            direction: Direction::Widened,
        }],
        _ => vec![
            Change::Rotated { secrets: some },
            Change::ReaderAdded { name: "db-1".to_owned(), kind: ReaderKind::Machine },
        ],
    }
}

fn findings(state: &StateFacts) -> Vec<Finding> {
    let codes = Code::ALL.iter().enumerate();
    let mut findings: Vec<Finding> = codes
        .map(|(index, code)| {
            let secret = &state.secrets[index % state.secrets.len()].name;
            let place = Place { path: format!("vault/{secret}.age"), line: Some(index), commit: None };
            Finding::new(*code, Grade::Proved, place, format!("reason {index}")).about(secret)
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn allowed() -> AllowedFinding {
    let finding = Finding::new(Code::WeakKey, Grade::GitClaim, Place::default(), "an old key");
    AllowedFinding { finding, reason: "it goes in spring".to_owned(), until: "2027-03-01".to_owned() }
}

fn access(state: &StateFacts) -> SecretAccess {
    let moment = |commit: &str, days| Moment {
        commit: commit.repeat(40),
        at: days_ago(days),
        committer: "alice".to_owned(),
        signer: Some("alice@example.org".to_owned()),
    };
    let reader = |name: &str, until: Option<Moment>| ReaderAccess {
        names: vec![name.to_owned()],
        key: key(),
        since: moment("a", 500),
        still: until.is_none(),
        knows_present_value: until.is_none(),
        side_branch: false,
        until,
    };
    let secret = &state.secrets[0];
    SecretAccess {
        secret: secret.name.clone(),
        present: true,
        readers: vec![reader("alice", None), reader("carol", Some(moment("b", 90)))],
        served: vec![MachineAccess {
            machine: "web-1".to_owned(),
            path: secret.name.clone(),
            access: secret.access.clone(),
        }],
        rotated: vec!["2026-08-01".to_owned()],
    }
}
