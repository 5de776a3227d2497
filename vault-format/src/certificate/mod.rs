//! X.509 certificates (RFC 5280): the vault's own CA, and what it signs.

mod facts;

use std::net::IpAddr;

use miette::Diagnostic;
use rand::{TryRngCore, rngs::OsRng};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber,
};
use thiserror::Error;
use time::Duration;
use zeroize::Zeroizing;

pub use self::facts::{CertificateFacts, may_sign};
use crate::{Plaintext, Timestamp};

/// Validity of the vault's CA in days: 10 years.
pub const CA_DAYS: u32 = 3653;
/// Validity of a leaf in days: just below the 398 that browsers accept.
pub const LEAF_DAYS: u32 = 397;

/// A certificate with its private key, both in PEM.
#[derive(Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: Plaintext,
    /// Its private key in PKCS#8.
    pub key: Plaintext,
    /// What an auditor may know of it.
    pub facts: CertificateFacts,
}

/// What names a CA may sign for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any name.
    Any,
    /// `localhost` and loopback addresses only (RFC 5280, 4.2.1.10), so that whoever trusts the
    /// CA risks nothing else.
    Loopback,
}

/// Makes a P-256 CA that signs for names within `scope`, valid for `days` from `now`.
///
/// # Errors
///
/// If the system gives no randomness or the parameters cannot be encoded.
pub fn authority(
    subject: &str,
    scope: Scope,
    days: u32,
    now: Timestamp,
) -> Result<Certified, CertificateError> {
    let mut params = params(subject, days, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = match scope {
        Scope::Any => None,
        Scope::Loopback => Some(loopback()),
    };
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Certified::new(&certificate.pem(), key)
}

/// Makes a P-256 CA below another one, valid for `days` from `now` but never longer than that. It signs
/// server certificates only, for `name` (a DNS name with all below it, or an IP address), `localhost`
/// and loopback addresses only, and no further CA.
///
/// # Errors
///
/// If the CA above cannot be read, has expired, or the name is none.
pub fn intermediate(
    ca: (&Plaintext, &Plaintext),
    subject: &str,
    name: &str,
    days: u32,
    now: Timestamp,
) -> Result<Certified, CertificateError> {
    let mut params = params(subject, days, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut constraints = loopback();
    constraints.permitted_subtrees.push(subtree(name)?);
    params.name_constraints = Some(constraints);
    signed(ca, params)
}

/// Makes a P-256 server certificate for `names` (DNS names and IP addresses; the first is the
/// common name too), signed by the CA (certificate and key), valid for `days` from `now` but never
/// longer than the CA.
///
/// # Errors
///
/// If the CA cannot be read, has expired, or a name is no DNS name.
pub fn leaf(
    ca: (&Plaintext, &Plaintext),
    names: &[&str],
    days: u32,
    now: Timestamp,
) -> Result<Certified, CertificateError> {
    let common_name = names.first().ok_or(CertificateError::NoName)?;
    let mut params = params(common_name, days, now)?;
    params.subject_alt_names = names.iter().map(|name| alt_name(name)).collect::<Result<_, _>>()?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(ca, params)
}

/// A new key, with a certificate that the CA signs and that ends with it at the latest.
fn signed(
    (ca_certificate, ca_key): (&Plaintext, &Plaintext),
    mut params: CertificateParams,
) -> Result<Certified, CertificateError> {
    let ca_pem = ca_certificate.expose_str().ok_or(CertificateError::Authority)?;
    let ca_key = KeyPair::from_pem(ca_key.expose_str().ok_or(CertificateError::Authority)?)
        .map_err(|_| CertificateError::Authority)?;
    let ca_end = CertificateFacts::of(ca_certificate)?.not_after;
    let issuer = Issuer::from_ca_cert_pem(ca_pem, ca_key).map_err(|_| CertificateError::Authority)?;
    params.not_after = params.not_after.min(ca_end.date_time());
    if params.not_after <= params.not_before {
        return Err(CertificateError::Expired);
    }
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &issuer)?;
    Certified::new(&certificate.pem(), key)
}

impl Certified {
    fn new(certificate: &str, key: KeyPair) -> Result<Self, CertificateError> {
        let pem = Zeroizing::new(key.serialize_pem());
        zeroize::Zeroize::zeroize(&mut { key });
        let certificate = Plaintext::from(unix_lines(certificate));
        Ok(Self {
            facts: CertificateFacts::of(&certificate)?,
            certificate,
            key: Plaintext::from(Zeroizing::new(unix_lines(&pem))),
        })
    }
}

/// rcgen ends lines as the platform does; a vault's bytes are the same everywhere.
fn unix_lines(pem: &str) -> String {
    pem.replace("\r\n", "\n")
}

fn params(subject: &str, days: u32, now: Timestamp) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = now.date_time();
    params.not_after =
        now.date_time().checked_add(Duration::days(days.into())).ok_or(CertificateError::Validity)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// A random positive serial number of 127 bits (RFC 5280, 4.1.2.2).
fn serial() -> Result<SerialNumber, CertificateError> {
    let mut bytes = [0; 16];
    OsRng.try_fill_bytes(&mut bytes).map_err(|_| CertificateError::Randomness)?;
    // The first bit would make the integer negative; the second keeps its length constant.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alt_name(name: &str) -> Result<SanType, CertificateError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '*';
    let bad_name = || CertificateError::Name(name.escape_default().to_string());
    if name.is_empty() || name.len() > 253 || !name.chars().all(plain) {
        return Err(bad_name());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad_name())?))
}

/// A name that a CA may sign for, with all names below it.
fn subtree(name: &str) -> Result<GeneralSubtree, CertificateError> {
    let bad_name = || CertificateError::Name(name.escape_default().to_string());
    match alt_name(name)? {
        SanType::IpAddress(IpAddr::V4(address)) => {
            Ok(GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(address.octets(), 32)))
        }
        SanType::IpAddress(IpAddr::V6(address)) => {
            Ok(GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(address.octets(), 128)))
        }
        _ if name.contains('*') || name.split('.').any(str::is_empty) => Err(bad_name()),
        _ => Ok(GeneralSubtree::DnsName(name.to_owned())),
    }
}

fn loopback() -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    }
}

/// Why a certificate could not be made or read.
#[derive(Debug, Error, Diagnostic)]
pub enum CertificateError {
    /// The encoder refused.
    #[error("cannot make the certificate")]
    Encode(#[from] rcgen::Error),
    /// The CA's files are not a CA.
    #[error("the vault's CA cannot be read")]
    #[diagnostic(help("look at certs/vault-ca-cert.pem and certs/vault-ca-key.pem with `vaultgen show`"))]
    Authority,
    /// The CA is over.
    #[error("the vault's CA has expired")]
    #[diagnostic(help("make a new one: `vaultgen rotate certs/vault-ca-key.pem`"))]
    Expired,
    /// Not a PEM certificate.
    #[error("it is not a PEM certificate")]
    #[diagnostic(help("the file starts with -----BEGIN CERTIFICATE-----"))]
    Unreadable,
    /// Not a DNS name or IP address.
    #[error("\"{0}\" is neither a DNS name nor an IP address")]
    #[diagnostic(help("write names such as odoo.example.org, in ASCII (xn--… for others)"))]
    Name(String),
    /// No name at all.
    #[error("a server certificate needs a name")]
    NoName,
    /// Beyond the calendar.
    #[error("the validity ends beyond the year 9999")]
    #[diagnostic(help("ask for fewer days"))]
    Validity,
    /// No randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T13:51:00Z".parse().unwrap()
    }

    fn pair(ca: &Certified) -> (&Plaintext, &Plaintext) {
        (&ca.certificate, &ca.key)
    }

    #[test]
    fn facts_are_those_of_the_certificate() {
        let ca = authority("CA", Scope::Loopback, CA_DAYS, now()).unwrap();
        let leaf = leaf(pair(&ca), &["localhost", "127.0.0.1", "::1"], LEAF_DAYS, now()).unwrap();
        assert_eq!(leaf.facts.subject, "CN=localhost");
        assert_eq!(leaf.facts.issuer, "CN=CA");
        assert_eq!(leaf.facts.names, ["127.0.0.1", "::1", "localhost"]);
        assert_eq!(leaf.facts.not_before, now());
        assert_eq!(leaf.facts.not_after.to_string(), "2027-12-24T13:51:00Z");
        assert_eq!(leaf.facts.key_type, "p256");
        assert_ne!(leaf.facts.spki_sha256, ca.facts.spki_sha256);
    }

    #[test]
    fn a_leaf_never_outlives_its_ca() {
        let ca = authority("CA", Scope::Any, 30, now()).unwrap();
        let made = leaf(pair(&ca), &["a.example"], LEAF_DAYS, now()).unwrap();
        assert_eq!(made.facts.not_after, ca.facts.not_after);
        let later = "2027-11-22T13:51:00Z".parse().unwrap();
        assert!(matches!(leaf(pair(&ca), &["a.example"], LEAF_DAYS, later), Err(CertificateError::Expired)));
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        let ca = authority("CA", Scope::Any, CA_DAYS, now()).unwrap();
        for name in ["", "a b", "a\nb", "é.example", "a/b"] {
            assert!(matches!(leaf(pair(&ca), &[name], LEAF_DAYS, now()), Err(CertificateError::Name(_))));
        }
    }

    #[test]
    fn an_intermediate_is_for_one_name_and_ends_with_its_ca() {
        let ca = authority("CA", Scope::Any, 30, now()).unwrap();
        for name in ["web-1", "odoo.example.org", "10.0.0.7", "fd00::7"] {
            let made = intermediate(pair(&ca), "below", name, CA_DAYS, now()).unwrap();
            assert_eq!((made.facts.issuer.as_str(), made.facts.subject.as_str()), ("CN=CA", "CN=below"));
            assert_eq!(made.facts.not_after, ca.facts.not_after);
        }
        for name in ["", ".", ".org", "org.", "a..b", "*.example.org", "web_1", "ops@web"] {
            let refused = intermediate(pair(&ca), "below", name, CA_DAYS, now());
            assert!(matches!(refused, Err(CertificateError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_name_twice_gets_two_serials() {
        assert_ne!(serial().unwrap(), serial().unwrap());
        assert_eq!(serial().unwrap().len(), 16);
    }
}
