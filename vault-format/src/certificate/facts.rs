//! Reading certificates: what an auditor may know of them.

use std::{fmt::Write, net::IpAddr};

use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::CertificateError;
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
    /// The key's type: `p256`, `p384`, `rsa4096`, …
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
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(pem.expose()).map_err(|_| CertificateError::Unreadable)?;
        let (_, certificate) =
            X509Certificate::from_der(&pem.contents).map_err(|_| CertificateError::Unreadable)?;
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
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(pem.expose()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
    certificate.is_ca()
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
    use x509_parser::public_key::PublicKey;
    let spki = certificate.public_key();
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa{}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("p{}", point.key_size()),
        _ => {
            let mut text = String::from("oid:");
            // Writing to a String cannot fail.
            let _ = write!(text, "{}", spki.algorithm.algorithm);
            text
        }
    }
}
