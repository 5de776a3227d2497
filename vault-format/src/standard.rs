//! The secrets that `vaultgen init` puts into every Odoo vault, under the names that Odoo Box
//! users already have in their configuration.

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Plaintext, SecretName, Timestamp,
    certificate::{self, CertificateError, Certified},
    change::NewSecret,
    facts::Facts,
    lock::Origin,
    name::NameError,
    password::{HashFacts, HashScheme, Password, PasswordError},
    policy::{Kind, SecretTable},
    ssh::{SshError, SshKey},
};

/// The four passwords: two logins of the operating system, two of web applications.
pub const PASSWORDS: [&str; 4] = ["root", "admin", "odoo-admin", "pgadmin-admin"];
/// The vault's own certificate authority.
pub const CA: &str = "vault-ca";
/// The certificate authority of a machine, for its own ACME server.
pub const LOCAL_CA: &str = "local-ca";
/// The host name of the first certificate.
pub const LOCALHOST: &str = "localhost";
/// The names that the certificate of [`LOCALHOST`] is good for.
pub const LOCALHOST_NAMES: [&str; 3] = [LOCALHOST, "127.0.0.1", "::1"];
/// The SSH identity.
pub const SSH_IDENTITY: &str = "ssh/id_ed25519";

/// Lets only ciphertext and public files into Git: everything is ignored but these.
pub const GIT_IGNORE: &str = "\
# Only ciphertext and public files of the vault may be committed.
*
!*/
!*.age
!*.pub
!/vault.toml
!/vault.lock
!/vault.lock.sig
!/allowed_signers
!/.gitignore
!/.gitattributes
!/templates/**
/.vaultgen/
";

/// Keeps Git from changing bytes, and from joining line by line what only `vaultgen merge` can join;
/// names the drivers for readable diffs and for joining policies.
pub const GIT_ATTRIBUTES: &str = "\
* -text
*.age diff=odbox-age -merge
vault.lock -merge
vault.lock.sig -merge
vault.toml merge=odbox-policy
";

/// The owner whose service reads the secrets of this password.
pub(crate) fn password_owner(name: &str) -> Option<&'static str> {
    match name {
        "odoo-admin" => Some("odoo"),
        "pgadmin-admin" => Some("pgadmin"),
        _ => None,
    }
}

pub(crate) fn password_description(name: &str) -> String {
    match name {
        "odoo-admin" => "Odoo's master password and first web login".to_owned(),
        "pgadmin-admin" => "PgAdmin's web login".to_owned(),
        name => format!("the login of {name}"),
    }
}

/// The name of a password's plaintext, `passwords/NAME.txt`.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name.
pub fn password_name(name: &str) -> Result<SecretName, NameError> {
    format!("passwords/{name}.txt").parse()
}

/// The name of a password's hash, `passwords/NAME.SCHEME`.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name.
pub fn hash_name(name: &str, scheme: HashScheme) -> Result<SecretName, NameError> {
    format!("passwords/{name}.{}", scheme.suffix()).parse()
}

/// A password and its two hashes.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name, or hashing fails.
pub fn password(name: &str, password: &Password, origin: Origin) -> Result<Vec<NewSecret>, StandardError> {
    let plain = password_name(name)?;
    let owner = password_owner(name).map(str::to_owned);
    let mut secrets = vec![NewSecret {
        name: plain,
        table: SecretTable {
            kind: Kind::Password,
            description: password_description(name),
            owner,
            ..SecretTable::default()
        },
        plaintext: password.plaintext().clone(),
        origin,
        facts: None,
    }];
    for scheme in [HashScheme::Sha512, HashScheme::Yescrypt] {
        secrets.push(hash(name, password, scheme)?);
    }
    Ok(secrets)
}

/// One hash of a password.
///
/// # Errors
///
/// As [`password()`].
pub fn hash(name: &str, password: &Password, scheme: HashScheme) -> Result<NewSecret, StandardError> {
    let hash = password.hash(scheme)?;
    Ok(NewSecret {
        name: hash_name(name, scheme)?,
        table: SecretTable {
            kind: Kind::PasswordHash,
            from: Some(password_name(name)?),
            owner: password_owner(name).map(str::to_owned),
            ..SecretTable::default()
        },
        facts: Some(Facts::PasswordHash(HashFacts::of(&hash)?)),
        plaintext: hash,
        origin: Origin::Generated,
    })
}

/// The names of a certificate and its key, `certs/NAME-cert.pem` and `certs/NAME-key.pem`.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name.
pub fn certificate_names(name: &str) -> Result<[SecretName; 2], NameError> {
    Ok([format!("certs/{name}-cert.pem").parse()?, format!("certs/{name}-key.pem").parse()?])
}

/// The names of all standard secrets, sorted.
///
/// # Errors
///
/// None in practice: they are all names.
pub fn names() -> Result<Vec<SecretName>, NameError> {
    let mut names = vec![SSH_IDENTITY.parse()?];
    for name in [CA, LOCALHOST] {
        names.extend(certificate_names(name)?);
    }
    for name in PASSWORDS {
        names.push(password_name(name)?);
        for scheme in [HashScheme::Sha512, HashScheme::Yescrypt] {
            names.push(hash_name(name, scheme)?);
        }
    }
    names.sort();
    Ok(names)
}

/// A certificate and its private key as secrets.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name.
pub fn certificate(
    name: &str,
    certified: Certified,
    description: &str,
) -> Result<Vec<NewSecret>, StandardError> {
    let [certificate_name, key_name] = certificate_names(name)?;
    let table = |kind, world_readable| SecretTable {
        kind,
        description: match kind {
            Kind::Certificate => description.to_owned(),
            _ => format!("the private key of {certificate_name}"),
        },
        owner: Some("nginx".to_owned()),
        world_readable,
        ..SecretTable::default()
    };
    let key_facts = Facts::PrivateKey { spki_sha256: certified.facts.spki_sha256 };
    Ok(vec![
        NewSecret {
            table: table(Kind::Certificate, true),
            name: certificate_name.clone(),
            plaintext: certified.certificate,
            origin: Origin::Generated,
            facts: Some(Facts::Certificate(certified.facts)),
        },
        NewSecret {
            table: table(Kind::PrivateKey, false),
            name: key_name,
            plaintext: certified.key,
            origin: Origin::Generated,
            facts: Some(key_facts),
        },
    ])
}

/// A server certificate for this machine, signed by the vault's CA.
///
/// # Errors
///
/// If the CA cannot sign it.
pub fn localhost(
    ca: (&Plaintext, &Plaintext),
    days: u32,
    now: Timestamp,
) -> Result<Vec<NewSecret>, StandardError> {
    let certified = certificate::leaf(ca, &LOCALHOST_NAMES, days, now)?;
    certificate(LOCALHOST, certified, "the server certificate of localhost")
}

/// The authority by which a machine signs certificates for itself: below the vault's CA, for the
/// machine's name and loopback only.
///
/// # Errors
///
/// If the CA cannot sign it, or the name of the machine is no DNS name.
pub fn local_ca(
    ca: (&Plaintext, &Plaintext),
    machine: &str,
    now: Timestamp,
) -> Result<Vec<NewSecret>, StandardError> {
    let mut subject = format!("odbox local CA of {machine}");
    // RFC 5280, ub-common-name. What is no ASCII is no DNS name either.
    if subject.is_ascii() {
        subject.truncate(64);
    }
    let certified = certificate::intermediate(ca, &subject, machine, certificate::CA_DAYS, now)?;
    let mut secrets = certificate(LOCAL_CA, certified, &format!("what {machine} signs certificates by"))?;
    for secret in &mut secrets {
        secret.table.owner = None;
    }
    Ok(secrets)
}

/// A new SSH identity, with the line of its public file.
///
/// # Errors
///
/// If the system has no randomness.
pub fn ssh_identity(comment: &str) -> Result<(NewSecret, String), StandardError> {
    let key = SshKey::generate(comment)?;
    let secret = NewSecret {
        name: SSH_IDENTITY.parse()?,
        table: SecretTable {
            kind: Kind::SshKey,
            description: "the SSH identity that root and admin log in with".to_owned(),
            ..SecretTable::default()
        },
        plaintext: key.to_file()?,
        origin: Origin::Generated,
        facts: Some(Facts::SshKey { fingerprint: key.fingerprint() }),
    };
    Ok((secret, format!("{}\n", key.public_line()?)))
}

/// Why a standard secret could not be made.
#[derive(Debug, Error, Diagnostic)]
pub enum StandardError {
    /// Not a name.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// No password or hash.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Password(#[from] PasswordError),
    /// No certificate.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Certificate(#[from] CertificateError),
    /// No SSH key.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ssh(#[from] SshError),
}
