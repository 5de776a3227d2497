//! New values for secrets that a vault has: what can be made without asking anybody, and what follows.

use std::collections::BTreeMap;

use crate::{
    Digest, Plaintext, SecretName, Timestamp, VaultFiles, Verified,
    certificate::{self, Authority, CertificateFacts, KeyType, LEAF_DAYS, ServerName},
    change::NewSecret,
    facts::Facts,
    lock::Origin,
    password::{HashFacts, HashScheme, Password},
    policy::{GroupKind, Kind, SecretTable},
    ssh::{self, SshKey},
    standard::{self, CA, LOCAL_CA, PASSWORDS, SSH_IDENTITY, StandardError},
    verify::MAX_PUBLIC,
};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// The comment of an SSH key whose public file names none.
const COMMENT: &str = "odbox";

/// A public file that goes with a secret: its path in the vault, and its bytes.
pub type PublicFile = (String, Vec<u8>);

/// How a secret gets a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// A new password is generated.
    Password,
    /// The vault's CA signs a new certificate with a new key.
    Leaf(Pair),
    /// A new CA is made, and signs anew whatever the old one had signed.
    Authority(Pair),
    /// The vault's CA signs a new CA of this machine.
    LocalCa(Pair, String),
    /// A new SSH key is generated.
    SshKey,
    /// It is made anew when this secret is.
    Derived(SecretName),
    /// Somebody else knows or makes the new value.
    Elsewhere,
}

/// A certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The certificate.
    pub certificate: SecretName,
    /// Its private key.
    pub key: SecretName,
}

/// How each secret of a vault gets a new value.
#[derive(Debug)]
pub struct Renewals<'a> {
    vault: &'a Verified,
    /// Certificates and private keys by the public key that they have in common.
    by_key: BTreeMap<Digest, (Vec<&'a SecretName>, Vec<&'a SecretName>)>,
    ca: Option<&'a CertificateFacts>,
}

impl<'a> Renewals<'a> {
    /// Those of a vault.
    #[must_use]
    pub fn of(vault: &'a Verified) -> Self {
        let mut by_key: BTreeMap<Digest, (Vec<_>, Vec<_>)> = BTreeMap::new();
        for (name, secret) in &vault.lock().secrets {
            match &secret.facts {
                Some(Facts::Certificate(facts)) => by_key.entry(facts.spki_sha256).or_default().0.push(name),
                Some(Facts::PrivateKey { spki_sha256 }) => {
                    by_key.entry(*spki_sha256).or_default().1.push(name)
                }
                _ => {}
            }
        }
        let ca = standard::certificate_names(CA).ok();
        let ca = ca.and_then(|[certificate, _]| certificate_facts(vault, &certificate));
        Self { vault, by_key, ca }
    }

    /// How a secret of the vault gets a new value.
    #[must_use]
    pub fn how(&self, name: &SecretName) -> Renewal {
        let Some(secret) = self.vault.lock().secrets.get(name) else { return Renewal::Elsewhere };
        let policy = self.vault.policy().secret(name);
        if let Some(source) = policy.from.as_ref().filter(|source| self.is_hash(name, source)) {
            return Renewal::Derived(source.clone());
        }
        let ours = secret.origin != Origin::Imported;
        match policy.kind {
            Kind::Password if ours || is_standard_password(name) => Renewal::Password,
            Kind::SshKey if secret.origin == Origin::Generated || name.as_str() == SSH_IDENTITY => {
                Renewal::SshKey
            }
            Kind::Certificate | Kind::PrivateKey => {
                self.pair(name).and_then(|pair| self.certified(pair)).unwrap_or(Renewal::Elsewhere)
            }
            _ => Renewal::Elsewhere,
        }
    }

    /// Whether a secret is the hash of a password that the vault has.
    fn is_hash(&self, name: &SecretName, source: &SecretName) -> bool {
        let kind = |name: &SecretName| self.vault.policy().secret(name).kind;
        let present = self.vault.lock().secrets.contains_key(source);
        present && kind(name) == Kind::PasswordHash && kind(source) == Kind::Password
    }

    /// Everything else that the vault's CA has signed.
    pub fn signed_by_ca(&self) -> impl Iterator<Item = SecretName> {
        let certificates = self.by_key.values().flat_map(|(certificates, _)| certificates);
        let follows = |name: &&&SecretName| matches!(self.how(name), Renewal::Leaf(_) | Renewal::LocalCa(..));
        certificates.filter(follows).map(|name| (*name).clone())
    }

    /// The certificate and the key that a secret is one of; nothing if it is not clear which.
    fn pair(&self, name: &SecretName) -> Option<Pair> {
        let (certificates, keys) = self.by_key.get(&spki(self.vault, name)?)?;
        match (certificates.as_slice(), keys.as_slice()) {
            ([certificate], [key]) => Some(Pair { certificate: (*certificate).clone(), key: (*key).clone() }),
            _ => None,
        }
    }

    fn certified(&self, pair: Pair) -> Option<Renewal> {
        let names = [pair.certificate.clone(), pair.key.clone()];
        let is_pair_of = |name| standard::certificate_names(name).is_ok_and(|pair| pair == names);
        if is_pair_of(CA) {
            return Some(Renewal::Authority(pair));
        }
        let (ca, facts) = (self.ca?, certificate_facts(self.vault, &pair.certificate)?);
        if facts.issuer != ca.subject || facts.spki_sha256 == ca.spki_sha256 {
            return None;
        }
        if is_pair_of(LOCAL_CA) {
            let machine = machine_with(self.vault, &pair.key)?.to_owned();
            return Some(Renewal::LocalCa(pair, machine));
        }
        // What vaultgen makes; another type of key was somebody's choice.
        (!facts.names.is_empty() && facts.key_type == "p256").then_some(Renewal::Leaf(pair))
    }
}

/// The machine that can open a secret, if there is one.
#[must_use]
pub fn machine_with<'a>(vault: &'a Verified, name: &SecretName) -> Option<&'a str> {
    let secret = vault.lock().secrets.get(name)?;
    let owner = vault.policy().groups().iter().find(|(_, group)| {
        matches!(group.kind, GroupKind::Machine(_)) && !group.keys.is_disjoint(&secret.recipients)
    });
    owner.map(|(name, _)| name.as_str())
}

fn certificate_facts<'a>(vault: &'a Verified, name: &SecretName) -> Option<&'a CertificateFacts> {
    match &vault.lock().secrets.get(name)?.facts {
        Some(Facts::Certificate(facts)) => Some(facts),
        _ => None,
    }
}

fn spki(vault: &Verified, name: &SecretName) -> Option<Digest> {
    match &vault.lock().secrets.get(name)?.facts {
        Some(Facts::Certificate(facts)) => Some(facts.spki_sha256),
        Some(Facts::PrivateKey { spki_sha256 }) => Some(*spki_sha256),
        _ => None,
    }
}

fn is_standard_password(name: &SecretName) -> bool {
    PASSWORDS.iter().any(|password| standard::password_name(password).is_ok_and(|known| known == *name))
}

/// The secrets that are made from `source`, as the policy says.
pub fn derived<'a>(
    vault: &'a Verified,
    source: &'a SecretName,
) -> impl Iterator<Item = &'a SecretName> + use<'a> {
    let policy = vault.policy();
    policy.tables().filter(move |name| policy.secret(name).from.as_ref() == Some(source))
}

/// A new value of a password that the vault has, and every hash of it. Whatever else the policy calls
/// derived from it stays as it is: see [`derived`].
///
/// # Errors
///
/// If hashing fails.
pub fn password(
    vault: &Verified,
    name: &SecretName,
    password: &Password,
    origin: Origin,
) -> Result<Vec<NewSecret>, StandardError> {
    let mut secrets = vec![secret(name, Kind::Password, password.plaintext().clone(), origin, None)];
    let hashes = derived(vault, name).filter(|name| vault.policy().secret(name).kind == Kind::PasswordHash);
    for name in hashes {
        let hash = password.hash(scheme(vault, name))?;
        let facts = Some(Facts::PasswordHash(HashFacts::of(&hash)?));
        secrets.push(secret(name, Kind::PasswordHash, hash, Origin::Generated, facts));
    }
    Ok(secrets)
}

/// The scheme that a hash has by its name, or else so far.
fn scheme(vault: &Verified, name: &SecretName) -> HashScheme {
    let by_name = |scheme: &HashScheme| name.as_str().ends_with(&format!(".{}", scheme.suffix()));
    let named = [HashScheme::Sha512, HashScheme::Yescrypt].into_iter().find(by_name);
    let present = vault.lock().secrets.get(name).and_then(|secret| secret.facts.as_ref());
    match (named, present) {
        (Some(scheme), _) => scheme,
        (None, Some(Facts::PasswordHash(facts))) if facts.scheme == "sha512crypt" => HashScheme::Sha512,
        _ => HashScheme::Yescrypt,
    }
}

/// A new certificate for the names of the present one, with a new key, of the same type, signed by the CA
/// and valid for as long a time.
///
/// # Errors
///
/// If the CA cannot sign it.
pub fn leaf(
    vault: &Verified,
    pair: &Pair,
    ca: &Authority,
    now: Timestamp,
) -> Result<Vec<NewSecret>, StandardError> {
    let Some(facts) = certificate_facts(vault, &pair.certificate) else { return Ok(Vec::new()) };
    let [old_ca, _] = standard::certificate_names(CA)?;
    let ends_with_ca = certificate_facts(vault, &old_ca).is_some_and(|ca| ca.not_after == facts.not_after);
    // One that ended with its CA was meant to be valid for longer.
    let days = if ends_with_ca { LEAF_DAYS } else { days(facts) };
    let common_name = common_name(facts);
    let mut names: Vec<&String> = facts.names.iter().collect();
    names.sort_by_key(|name| *name != common_name);
    let names = names.into_iter().map(|name| name.parse()).collect::<Result<Vec<ServerName>, _>>()?;
    ca.permits(&names, now)?;
    let key = KeyType::in_place_of(&facts.key_type).generate()?;
    Ok(certified(pair, ca.leaf(&names, &key, days, now)?).into())
}

/// A new CA in place of the present one, with the same name, reach and length of validity.
///
/// # Errors
///
/// If the present certificate cannot be read, or the system gives no randomness.
pub fn authority(pair: &Pair, present: &Plaintext, now: Timestamp) -> Result<[NewSecret; 2], StandardError> {
    let facts = CertificateFacts::of(present)?;
    let (name, scope) = certificate::name_and_scope(present)?;
    let key = KeyType::in_place_of(&facts.key_type).generate()?;
    let made = certificate::authority(name.as_deref().unwrap_or(CA), scope, &key, days(&facts), now)?;
    Ok(certified(pair, made))
}

fn certified(pair: &Pair, made: certificate::Certified) -> [NewSecret; 2] {
    let key_facts = Facts::PrivateKey { spki_sha256: made.facts.spki_sha256 };
    let facts = Facts::Certificate(made.facts);
    let generated = Origin::Generated;
    [
        secret(&pair.certificate, Kind::Certificate, made.certificate, generated, Some(facts)),
        secret(&pair.key, Kind::PrivateKey, made.key, generated, Some(key_facts)),
    ]
}

fn days(facts: &CertificateFacts) -> u32 {
    let span = facts.not_after.date_time() - facts.not_before.date_time();
    u32::try_from(span.whole_seconds() / SECONDS_PER_DAY).unwrap_or(LEAF_DAYS).max(1)
}

/// The common name of a server certificate, which is a host name; all of the subject where it has none.
fn common_name(facts: &CertificateFacts) -> &str {
    let parts = facts.subject.split(", ");
    parts.into_iter().find_map(|part| part.strip_prefix("CN=")).unwrap_or(&facts.subject)
}

/// A new ed25519 key, with its public file (path and bytes) if the vault has one.
///
/// # Errors
///
/// If the system has no randomness.
pub fn ssh_key(
    vault: &Verified,
    files: &dyn VaultFiles,
    name: &SecretName,
) -> Result<(NewSecret, Option<PublicFile>), StandardError> {
    let public = public_file(vault, name);
    let line = public.as_ref().and_then(|path| files.read(path, MAX_PUBLIC).ok());
    let line = line.and_then(|bytes| String::from_utf8(bytes).ok());
    let comment = line.and_then(|line| ssh::parse_public_key(&line).ok());
    let key = SshKey::generate(comment.as_ref().map_or(COMMENT, |key| key.comment()))?;
    let facts = Some(Facts::SshKey { fingerprint: key.fingerprint() });
    let new = secret(name, Kind::SshKey, key.to_file()?, Origin::Generated, facts);
    let line = format!("{}\n", key.public_line()?);
    Ok((new, public.map(|path| (path, line.into_bytes()))))
}

/// Where the public half of an SSH key lies, if the vault has it.
#[must_use]
pub fn public_file(vault: &Verified, name: &SecretName) -> Option<String> {
    Some(format!("{name}.pub")).filter(|path| vault.lock().files.contains_key(path))
}

/// A value on its way in; what the policy says of the secret stays.
fn secret(
    name: &SecretName,
    kind: Kind,
    plaintext: Plaintext,
    origin: Origin,
    facts: Option<Facts>,
) -> NewSecret {
    let table = SecretTable { kind, ..SecretTable::default() };
    NewSecret { name: name.clone(), table, plaintext, origin, facts }
}
