//! The secrets that `vaultgen init` puts into every Odoo vault, under the names that Odoo Box
//! users already have in their configuration.

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Lock, Plaintext, Policy, SecretName, Timestamp,
    certificate::{self, Authority, CertificateError, Certified, PrivateKey, ServerName},
    change::NewSecret,
    facts::Facts,
    lock::Origin,
    name::{NameError, path_order},
    password::{HashFacts, HashScheme, Password, PasswordError},
    policy::{Kind, SecretTable},
    ssh::{SshError, SshKey},
    template::{RenderError, Template},
};

/// The four passwords: two logins of the operating system, two of web applications.
pub const PASSWORDS: [&str; 4] = ["root", "admin", "odoo-admin", "pgadmin-admin"];
/// The vault's own certificate authority.
pub const CA: &str = "vault-ca";
/// The certificate authority of a machine, for its own ACME server, which runs as the user of this name.
pub const LOCAL_CA: &str = "local-ca";
/// The host name of the first certificate.
pub const LOCALHOST: &str = "localhost";
/// The SSH identity.
pub const SSH_IDENTITY: &str = "ssh/id_ed25519";
/// The template of Odoo's configuration file: its path where the vault is served.
pub const ODOO_CONFIGURATION: &str = "odoo/admin.conf";
/// The source of [`ODOO_CONFIGURATION`].
pub const ODOO_SOURCE: &str = "templates/admin.conf";
/// The password that Odoo has twice: as its master password, and for its first web login.
const ODOO_PASSWORD: &str = "odoo-admin";
/// The text of [`ODOO_SOURCE`]: the master password, and nothing else.
const ODOO_TEXT: &str = "\
[options]
admin_passwd = {{ secret(\"passwords/odoo-admin.txt\") | ini }}
";

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
        ODOO_PASSWORD => Some("odoo"),
        "pgadmin-admin" => Some("pgadmin"),
        _ => None,
    }
}

pub(crate) fn password_description(name: &str) -> String {
    match name {
        ODOO_PASSWORD => "Odoo's master password and first web login".to_owned(),
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

/// The names of a password and of its two hashes.
///
/// # Errors
///
/// If `name` cannot be part of a secret's name.
pub fn password_names(name: &str) -> Result<Vec<SecretName>, NameError> {
    let hashes = [HashScheme::Sha512, HashScheme::Yescrypt].map(|scheme| hash_name(name, scheme));
    [password_name(name)].into_iter().chain(hashes).collect()
}

/// A password and its two hashes, which are made at the same time.
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
    let hash = |scheme| hash(name, password, scheme);
    let (sha512, yescrypt) = rayon::join(|| hash(HashScheme::Sha512), || hash(HashScheme::Yescrypt));
    secrets.extend([sha512?, yescrypt?]);
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

/// How the names of certificate authorities end, whose keys stay with people.
const AUTHORITY: &str = "-ca";

/// Checks that a server's certificate and its key can be called so: in no folder of their own, and not
/// as those of an authority.
///
/// # Errors
///
/// If they cannot.
pub fn check_server(name: &str) -> Result<(), StandardError> {
    let whole: SecretName = name.parse()?;
    certificate_names(whole.as_str())?;
    if name.contains('/') {
        return Err(StandardError::Folder(name.to_owned()));
    }
    if name.to_ascii_lowercase().ends_with(AUTHORITY) {
        return Err(StandardError::Authority(name.to_owned()));
    }
    Ok(())
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
        names.extend(password_names(name)?);
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
    origin: Origin,
) -> Result<[NewSecret; 2], StandardError> {
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
    Ok([
        NewSecret {
            table: table(Kind::Certificate, true),
            name: certificate_name.clone(),
            plaintext: certified.certificate,
            origin,
            facts: Some(Facts::Certificate(certified.facts)),
        },
        NewSecret {
            table: table(Kind::PrivateKey, false),
            name: key_name,
            plaintext: certified.key,
            origin,
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
    ca: &Authority,
    key: &PrivateKey,
    days: u32,
    now: Timestamp,
) -> Result<[NewSecret; 2], StandardError> {
    server(ca, &localhost_names()?, key, days, now)
}

/// The names that the certificate of [`LOCALHOST`] is good for.
///
/// # Errors
///
/// None in practice: they are all names.
pub fn localhost_names() -> Result<Vec<ServerName>, CertificateError> {
    ["localhost", "127.0.0.1", "::1"].into_iter().map(str::parse).collect()
}

/// A server certificate for the names, signed by the vault's CA. Its files are called by the first.
///
/// # Errors
///
/// If the CA cannot sign it.
pub fn server(
    ca: &Authority,
    names: &[ServerName],
    key: &PrivateKey,
    days: u32,
    now: Timestamp,
) -> Result<[NewSecret; 2], StandardError> {
    let certified = ca.leaf(names, key, days, now)?;
    let name = names.first().ok_or(CertificateError::NoName)?;
    check_server(&name.file_stem())?;
    let description = format!("the server certificate of {name}");
    certificate(&name.file_stem(), certified, &description, Origin::Generated)
}

/// The authority by which a machine signs certificates for itself: below the vault's CA, for the
/// machine's name and loopback only.
///
/// # Errors
///
/// If the CA cannot sign it, or the name of the machine is no DNS name.
pub fn local_ca(ca: &Authority, machine: &str, now: Timestamp) -> Result<[NewSecret; 2], StandardError> {
    let mut subject = format!("odbox local CA of {machine}");
    // RFC 5280, ub-common-name. What is no ASCII is no DNS name either.
    if subject.is_ascii() {
        subject.truncate(64);
    }
    let certified = ca.intermediate(&subject, Some(&machine.parse()?), certificate::CA_DAYS, now)?;
    local_ca_secrets(certified, &format!("what {machine} signs certificates by"))
}

/// The authority by which any machine signs certificates for itself: below the vault's CA, valid for
/// `days`, for loopback only.
///
/// # Errors
///
/// If the CA cannot sign it.
pub fn loopback_ca(
    ca: &Authority,
    subject: &str,
    days: u32,
    now: Timestamp,
) -> Result<[NewSecret; 2], StandardError> {
    local_ca_secrets(ca.intermediate(subject, None, days, now)?, "what a machine signs certificates by")
}

fn local_ca_secrets(certified: Certified, description: &str) -> Result<[NewSecret; 2], StandardError> {
    let mut secrets = certificate(LOCAL_CA, certified, description, Origin::Generated)?;
    for secret in &mut secrets {
        secret.table.owner = Some(LOCAL_CA.to_owned());
    }
    Ok(secrets)
}

/// A template that every Odoo vault has.
#[derive(Debug)]
pub struct StandardTemplate {
    /// Its path where the vault is served.
    pub path: SecretName,
    /// Where its text lies in the vault.
    pub source: SecretName,
    /// Its text.
    pub text: &'static str,
    /// The one secret that it shows, whose audience it has.
    pub shows: SecretName,
    /// Its owner, and the name of its group.
    pub owner: &'static str,
}

/// The template of Odoo's configuration file.
///
/// # Errors
///
/// None in practice: all of them are names.
pub fn odoo_configuration() -> Result<StandardTemplate, NameError> {
    Ok(StandardTemplate {
        path: ODOO_CONFIGURATION.parse()?,
        source: ODOO_SOURCE.parse()?,
        text: ODOO_TEXT,
        shows: password_name(ODOO_PASSWORD)?,
        owner: password_owner(ODOO_PASSWORD).unwrap_or("root"),
    })
}

impl StandardTemplate {
    /// Whether a vault with this policy and lock has it, or something of its own in its place.
    #[must_use]
    pub fn is_in(&self, policy: &Policy, lock: &Lock) -> bool {
        let paths = lock.secrets.keys().chain(policy.views().keys()).chain(policy.templates().keys());
        self.is_among(paths, lock.files.keys().map(String::as_str))
    }

    /// Whether one of these paths of the mount or of these public files is its own, or in its way.
    pub fn is_among<'a>(
        &self,
        mut paths: impl Iterator<Item = &'a SecretName>,
        mut files: impl Iterator<Item = &'a str>,
    ) -> bool {
        let own = path_order(self.path.as_str());
        let is_within =
            |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('\0'));
        let is_in_the_way = |path: &SecretName| {
            let path = path_order(path.as_str());
            path == own || is_within(&path, &own) || is_within(&own, &path)
        };
        let source = self.source.as_str();
        files.any(|file| file.eq_ignore_ascii_case(source)) || paths.any(is_in_the_way)
    }

    /// Whether the secret's value can be written into it.
    ///
    /// # Errors
    ///
    /// If it cannot.
    pub fn takes(&self, value: &Plaintext) -> Result<(), RenderError> {
        let Ok(template) = self.text.parse::<Template>() else { return Ok(()) };
        template.render(&[(self.shows.clone(), value.clone())].into()).map(drop)
    }
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
    /// A name with a slash.
    #[error("\"{0}\" cannot be the name of a certificate: it has a slash")]
    #[diagnostic(help("all certificates are in certs/; give the last part of the name only"))]
    Folder(String),
    /// A name that machines get no key for.
    #[error("\"{0}\" is a name for a certificate authority: it ends in -ca")]
    #[diagnostic(help(
        "a machine never gets the key of an authority: give the server another name (`import` has --name)"
    ))]
    Authority(String),
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
