//! Reading certificates: what an auditor may know of them.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519},
    prelude::{FromDer, GeneralName, NameConstraints, Pem, X509Certificate},
    public_key::PublicKey,
};

use super::{CertificateError, Scope};
use crate::{Digest, Plaintext, Timestamp};

/// The public facts of a certificate, read from the certificate itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFacts {
    /// The subject's distinguished name, such as `CN=localhost`.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// DNS names and IP addresses (RFC 5280, 4.2.1.6), sorted.
    pub names: Vec<String>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// The key's type: `p256`, `p384`, `rsa4096`, `ed25519`, …
    pub key_type: String,
    /// SHA-256 of the SubjectPublicKeyInfo: what certificate and key have in common.
    pub spki_sha256: Digest,
}

impl CertificateFacts {
    /// Reads the facts of the first certificate in a PEM text.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn of(pem: &Plaintext) -> Result<Self, CertificateError> {
        let pem = first(pem)?;
        let certificate = parse(&pem)?;
        let moment = |time: &x509_parser::time::ASN1Time| Timestamp::from(time.to_datetime());
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate)?,
            not_before: moment(&certificate.validity().not_before),
            not_after: moment(&certificate.validity().not_after),
            key_type: key_type(&certificate),
            spki_sha256: Digest::of(certificate.public_key().raw),
        })
    }
}

/// Whether a certificate may sign others (RFC 5280, 4.2.1.9): the first in a PEM text.
#[must_use]
pub fn may_sign(pem: &Plaintext) -> bool {
    let Ok(pem) = first(pem) else { return false };
    parse(&pem).is_ok_and(|certificate| certificate.is_ca())
}

/// The common name of a CA, and what it may sign for.
///
/// # Errors
///
/// If it is no PEM certificate, or its reach is neither of those that we make.
pub fn name_and_scope(pem: &Plaintext) -> Result<(Option<String>, Scope), CertificateError> {
    let pem = first(pem)?;
    let certificate = parse(&pem)?;
    let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let constraints = certificate.name_constraints().map_err(|_| CertificateError::Unreadable)?;
    let scope = match constraints.map(|extension| extension.value) {
        None => Scope::Any,
        Some(NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None })
            if permitted.iter().all(|subtree| is_loopback(&subtree.base)) =>
        {
            Scope::Loopback
        }
        Some(_) => return Err(CertificateError::Reach),
    };
    Ok((name.map(str::to_owned), scope))
}

/// Address and mask of 127.0.0.0/8 and ::1/128, and the name that stands for them.
fn is_loopback(name: &GeneralName<'_>) -> bool {
    let (mut v6, v4) = ([0xff; 32], [127, 0, 0, 0, 255, 0, 0, 0]);
    v6[..16].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
    match name {
        GeneralName::DNSName(name) => *name == "localhost",
        GeneralName::IPAddress(bytes) => *bytes == v6 || *bytes == v4,
        _ => false,
    }
}

/// The first certificate of a PEM text.
fn first(pem: &Plaintext) -> Result<Pem, CertificateError> {
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(pem.expose()).map_err(|_| CertificateError::Unreadable)?;
    Ok(pem)
}

fn parse(pem: &Pem) -> Result<X509Certificate<'_>, CertificateError> {
    let (_, certificate) =
        X509Certificate::from_der(&pem.contents).map_err(|_| CertificateError::Unreadable)?;
    Ok(certificate)
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, CertificateError> {
    let extension = certificate.subject_alternative_name().map_err(|_| CertificateError::Unreadable)?;
    let Some(extension) = extension else { return Ok(Vec::new()) };
    let mut names: Vec<String> = extension.value.general_names.iter().filter_map(alt_name_text).collect();
    names.sort();
    Ok(names)
}

fn alt_name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn key_type(certificate: &X509Certificate<'_>) -> String {
    let spki = certificate.public_key();
    let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa{}", key.key_size()),
        Ok(PublicKey::EC(_)) => match curve {
            Some(curve) if curve == OID_EC_P256 => "p256".to_owned(),
            Some(curve) if curve == OID_NIST_EC_P384 => "p384".to_owned(),
            Some(curve) => format!("oid:{curve}"),
            None => "ec".to_owned(),
        },
        _ if spki.algorithm.algorithm == OID_SIG_ED25519 => "ed25519".to_owned(),
        _ => format!("oid:{}", spki.algorithm.algorithm),
    }
}
