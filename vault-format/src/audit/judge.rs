//! What is wrong with one state of a vault.

mod machines;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Claims, Code, Finding, Grade, Place, Severity,
    state::{StateFacts, days_between},
};
use crate::{
    LOCK_FILE, POLICY_FILE, SIGNATURE_FILE, SIGNERS_FILE, SecretName, Timestamp,
    due::{self, What},
    facts::Facts,
    folder::FolderError,
    lock::LockedSecret,
    password::HashFacts,
    policy::{GroupKind, Kind},
    recipient::Recipient,
    report,
    signature::SignatureError,
    verify::Problem,
};

/// After how many days without a change a value is called old.
const OLD_DAYS: i64 = 365;
/// Fewer bits of an RSA key than this are too few (NIST SP 800-131A).
const FEWEST_RSA_BITS: usize = 2048;
/// As many rounds of sha512crypt as crypt(5) takes where none are named: too few today.
const FEW_ROUNDS: u32 = 5000;
/// The cost of yescrypt as crypt(5) writes it: `j`, then 2 to this power in hundreds of kilobytes. Debian's default
/// is `j9T`.
const LOWEST_YESCRYPT: u8 = b'9';

/// What a state is judged by beside itself.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The vault's folder in the repository; empty for the top.
    pub vault: &'a str,
    /// The text of the policy, to find lines in.
    pub policy_text: &'a str,
    /// The moment.
    pub now: Timestamp,
}

impl Bench<'_> {
    fn path(&self, file: &str) -> String {
        below(self.vault, file)
    }
}

/// The lines of the policy's tables, by their headers.
struct Lines<'a> {
    by_header: BTreeMap<&'a str, usize>,
    bench: Bench<'a>,
}

impl<'a> Lines<'a> {
    fn of(bench: Bench<'a>) -> Self {
        let headers = bench.policy_text.lines().enumerate().filter(|(_, line)| line.starts_with('['));
        Self { by_header: headers.map(|(at, line)| (line.trim_end(), at + 1)).collect(), bench }
    }

    fn table(&self, table: &str, name: &str) -> Option<usize> {
        let headers = [format!("[{table}.\"{name}\"]"), format!("[{table}.{name}]")];
        headers.iter().find_map(|header| self.by_header.get(header.as_str()).copied())
    }

    /// The table of a secret, or else its file.
    fn secret(&self, name: &SecretName) -> Place {
        match self.table("secret", name.as_str()) {
            Some(line) => Place { line: Some(line), ..self.policy() },
            None => Place { path: self.bench.path(&name.ciphertext_path()), ..Place::default() },
        }
    }

    fn policy(&self) -> Place {
        Place { path: self.bench.path(POLICY_FILE), ..Place::default() }
    }

    /// The first line that names something.
    fn naming(&self, word: &str) -> Place {
        let line = self.bench.policy_text.lines().position(|line| line.contains(word)).map(|at| at + 1);
        Place { line, ..self.policy() }
    }
}

/// What is wrong with a state that can be read, whether it is sound or not.
#[must_use]
pub fn judge(claims: Claims<'_>, facts: &StateFacts, bench: Bench<'_>) -> Vec<Finding> {
    let lines = Lines::of(bench);
    let mut findings = Vec::new();
    for (name, secret) in &claims.lock.secrets {
        let found = of_value(name, secret, claims, bench.now)
            .into_iter()
            .chain(of_facts(secret))
            .chain(of_serving(name, claims));
        findings.extend(found.map(|(code, severity, reason)| {
            Finding::new(code, claims.grade, lines.secret(name), reason).about(name).at(severity)
        }));
    }
    findings.extend(of_policy(claims, &lines));
    findings.extend(machines::of_machines(claims, facts, &lines));
    findings.extend(of_recovery(claims, &lines));
    findings.extend(of_keys(claims, facts, &lines));
    findings
}

/// A finding about a secret, whose place follows from its name.
type OfSecret = (Code, Severity, String);

fn usual(code: Code, reason: impl Into<String>) -> OfSecret {
    (code, code.severity(), reason.into())
}

/// What of a secret is old, ends or is known.
fn of_value(name: &SecretName, secret: &LockedSecret, claims: Claims<'_>, now: Timestamp) -> Vec<OfSecret> {
    let policy = claims.policy.secret(name);
    let mut found = Vec::new();
    if !secret.exposed_to.is_empty() {
        let keys = secret.exposed_to.len();
        let what =
            if keys == 1 { "a removed key knows".to_owned() } else { format!("{keys} removed keys know") };
        let date = secret.rotated.date_time().date();
        found.push(usual(Code::Exposed, format!("{what} the value, which is unchanged since {date}")));
    }
    for due in due::of_secret(name, secret, &policy.rotation).filter(|due| due.what.is_due(due.at, now)) {
        let code = match (due.what, due.at <= now) {
            (What::Rotation, _) => Code::RotationOverdue,
            (What::Expiry, true) => Code::SecretExpired,
            (What::Expiry, false) => Code::SecretExpires,
            (What::Certificate, true) => Code::CertificateExpired,
            (What::Certificate, false) => Code::CertificateExpires,
        };
        found.push(usual(code, due.describe(now)));
    }
    let has_a_rule = policy.rotation.after.is_some() || policy.rotation.expires.is_some();
    let follows_another = policy.from.is_some() || policy.kind == Kind::Certificate;
    // The key of a certificate is as old as that, and is told of by its end.
    let is_of_certificate =
        name.certificate_of_key().is_some_and(|certificate| claims.lock.secrets.contains_key(&certificate));
    let days = days_between(secret.rotated, now);
    if days > OLD_DAYS && !has_a_rule && !follows_another && !is_of_certificate {
        found.push(usual(
            Code::RotationLongAgo,
            format!("the value is {days} days old, and nothing says when to change it"),
        ));
    }
    found
}

/// What is weak by its public facts.
fn of_facts(secret: &LockedSecret) -> Option<OfSecret> {
    match secret.facts.as_ref()? {
        Facts::Certificate(certificate) => {
            let bits: usize = certificate.key_type.strip_prefix("rsa")?.parse().ok()?;
            let reason = || format!("the certificate's RSA key has {bits} bits");
            (bits < FEWEST_RSA_BITS).then(|| usual(Code::WeakKey, reason()))
        }
        Facts::PasswordHash(hash) if is_cheap(hash) => {
            Some(usual(Code::WeakHash, format!("{} at cost {}", hash.scheme, hash.cost)))
        }
        _ => None,
    }
}

fn is_cheap(hash: &HashFacts) -> bool {
    match hash.scheme.as_str() {
        "sha512crypt" => {
            let rounds = hash.cost.strip_prefix("rounds=").and_then(|rounds| rounds.parse::<u32>().ok());
            rounds.is_none_or(|rounds| rounds <= FEW_ROUNDS)
        }
        "yescrypt" => hash.cost.as_bytes().get(1).is_none_or(|cost| *cost < LOWEST_YESCRYPT),
        _ => true,
    }
}

/// Who may open a secret where it is served.
fn of_serving(name: &SecretName, claims: Claims<'_>) -> Option<OfSecret> {
    let policy = claims.policy.secret(name);
    // A certificate is public wherever it is used.
    if policy.kind == Kind::Certificate {
        return None;
    }
    let bits = policy.access.mode.bits();
    if bits & 0o004 != 0 {
        let reason = format!("mode {bits:04o}: every user of a machine that serves it may read it");
        return Some((Code::ModeTooWide, Severity::High, reason));
    }
    if bits & 0o040 != 0 {
        let reason = format!("mode {bits:04o}: the group {} may read it", policy.access.group);
        return Some(usual(Code::ModeTooWide, reason));
    }
    None
}

/// Where policy and lock do not speak of the same secrets.
fn of_policy(claims: Claims<'_>, lines: &Lines<'_>) -> Vec<Finding> {
    let tables: BTreeSet<&SecretName> = claims.policy.tables().collect();
    let mut findings = Vec::new();
    for name in claims.lock.secrets.keys().filter(|name| !tables.contains(name)) {
        let reason = format!("{name} has no table in {POLICY_FILE}, so the defaults hold");
        findings.push(Finding::new(Code::NoPolicy, claims.grade, lines.secret(name), reason).about(name));
    }
    for name in tables.into_iter().filter(|name| !claims.lock.secrets.contains_key(*name)) {
        let reason = format!("{POLICY_FILE} has a table for {name}, which is not in the vault");
        findings.push(Finding::new(Code::NoSecret, claims.grade, lines.secret(name), reason).about(name));
    }
    findings
}

fn of_recovery(claims: Claims<'_>, lines: &Lines<'_>) -> Vec<Finding> {
    let recovery = claims.policy.groups().values().filter(|group| group.kind == GroupKind::Recovery);
    let keys: BTreeSet<&Recipient> = recovery.flat_map(|group| &group.keys).collect();
    if claims.lock.secrets.is_empty() {
        return Vec::new();
    }
    if keys.is_empty() {
        let reason = "no recipient of the kind recovery: whoever loses the operators' keys loses the vault";
        return vec![Finding::new(Code::NoRecovery, claims.grade, lines.naming("[recipients]"), reason)];
    }
    let left_out = claims
        .lock
        .secrets
        .iter()
        .filter(|(_, secret)| !secret.recipients.iter().any(|recipient| keys.contains(recipient)));
    let finding = |(name, _): (&SecretName, &LockedSecret)| {
        let reason = format!("no recovery key opens {name}");
        Finding::new(Code::NotRecoverable, claims.grade, lines.secret(name), reason).about(name)
    };
    left_out.map(finding).collect()
}

/// Keys that are too short.
fn of_keys(claims: Claims<'_>, facts: &StateFacts, lines: &Lines<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reader in &facts.readers {
        for key in reader.keys.iter().filter(|key| is_weak(key.as_str())) {
            let reason = format!("{} has an RSA key of fewer than {FEWEST_RSA_BITS} bits", reader.name);
            let place = lines.naming(key.as_str());
            findings.push(Finding::new(Code::WeakKey, claims.grade, place, reason));
        }
    }
    for signer in claims.signers.iter().filter(|signer| !signer.ended()) {
        let key = signer.key().to_openssh().unwrap_or_default();
        if is_weak(&key) {
            let reason =
                format!("{} signs with an RSA key of fewer than {FEWEST_RSA_BITS} bits", signer.principal());
            let place = Place { path: lines.bench.path(SIGNERS_FILE), ..Place::default() };
            findings.push(Finding::new(Code::WeakKey, claims.grade, place, reason));
        }
    }
    findings
}

/// Whether an OpenSSH public key is of RSA, and short.
fn is_weak(key: &str) -> bool {
    let Some(blob) = key.strip_prefix("ssh-rsa ") else { return false };
    let public = ssh_key::PublicKey::from_openssh(&format!("ssh-rsa {blob}"));
    let modulus = public.ok().and_then(|key| Some(key.key_data().rsa()?.n.as_positive_bytes()?.to_vec()));
    modulus.is_some_and(|bytes| bytes.len() * 8 < FEWEST_RSA_BITS)
}

/// What a problem of [`verify`](crate::verify()) is among the findings. `vault` is the vault's folder in the
/// repository, and `root` what the paths of its files begin with in errors.
#[must_use]
pub fn of_problem(problem: &Problem, vault: &str, root: &Path) -> Finding {
    let (code, file) = code_of(problem, root);
    let place = Place { path: below(vault, &file), ..Place::default() };
    // Where the clone lies is nobody's business who reads the report.
    let reason = report::one_line(problem).replace(&root.display().to_string(), vault);
    Finding::new(code, Grade::Proved, place, reason.trim_start_matches('/'))
}

/// A path of the vault as a path of the repository.
fn below(vault: &str, file: &str) -> String {
    if vault.is_empty() { file.to_owned() } else { format!("{vault}/{file}") }
}

fn code_of(problem: &Problem, root: &Path) -> (Code, String) {
    let lock = || LOCK_FILE.to_owned();
    let policy = || POLICY_FILE.to_owned();
    match problem {
        Problem::Signature(SignatureError::Untrusted(_)) => (Code::UntrustedSigner, lock()),
        Problem::Signature(_) => (Code::WrongSignature, SIGNATURE_FILE.to_owned()),
        Problem::Lock(_) => (Code::Unreadable, lock()),
        Problem::Policy(_) => (Code::Unreadable, policy()),
        Problem::Signers(_) => (Code::Unreadable, SIGNERS_FILE.to_owned()),
        Problem::File(error) => of_file(error, root),
        Problem::NotText(file) | Problem::NotCovered(file) => (Code::Unreadable, (*file).to_owned()),
        Problem::Changed(path) => (Code::NotAsSigned, path.clone()),
        Problem::Ciphertext { path, .. } => (Code::NotAge, path.clone()),
        Problem::Stanzas { path, .. } => (Code::RecipientsDiffer, path.clone()),
        Problem::Audience(name) => (Code::RecipientsDiffer, name.ciphertext_path()),
        Problem::NotPlain(path) => (Code::NotPlain, path.clone()),
        Problem::Extra(path) => (Code::UnsignedFile, path.clone()),
        Problem::ViewOfNothing { .. } => (Code::NoSecret, policy()),
        Problem::Template(_) => (Code::TemplateTooWide, policy()),
        Problem::NotAnAncestor { .. } => (Code::PredecessorMissing, lock()),
        Problem::SamePath { .. } | Problem::BelowFile { .. } => (Code::Unreadable, policy()),
    }
}

/// A file that cannot be read.
fn of_file(error: &FolderError, root: &Path) -> (Code, String) {
    let (code, path) = match error {
        FolderError::Missing(path) if path.ends_with(SIGNATURE_FILE) => (Code::Unsigned, path),
        FolderError::Missing(path) => (Code::Missing, path),
        FolderError::NotPlain(path) => (Code::NotPlain, path),
        FolderError::TooLong { path, .. } => (Code::NotLookedInto, path),
        FolderError::NotAFolder(path) | FolderError::ForeignStaging(path) | FolderError::Io { path, .. } => {
            (Code::Unreadable, path)
        }
    };
    (code, path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned())
}
