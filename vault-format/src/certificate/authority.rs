//! The vault's own certificate authority, and what it signs.

use std::fmt;

use rand::{TryRngCore, rngs::OsRng};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    CertificateError, CertificateFacts, KeyType, PrivateKey, ServerName,
    chain::{self, Judged},
    pem,
};
use crate::{Plaintext, Timestamp};

/// Longest common name in characters (RFC 5280, ub-common-name).
const MAX_COMMON_NAME: usize = 64;
/// 16 random octets after one that keeps the number positive and its length constant.
const SERIAL_OCTETS: usize = 17;

/// A certificate with its private key, both in PEM.
#[derive(Debug)]
pub struct Certified {
    /// The certificate; after it those of the authorities between it and the root, if any.
    pub certificate: Plaintext,
    /// Its private key in PKCS#8.
    pub key: Plaintext,
    /// What an auditor may know of it.
    pub facts: CertificateFacts,
}

impl Certified {
    pub(super) fn new(certificate: Plaintext, key: &PrivateKey) -> Result<Self, CertificateError> {
        Ok(Self { facts: CertificateFacts::of(&certificate)?, certificate, key: key.to_pem()? })
    }
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

/// Makes a CA that signs for names within `scope`, valid for `days` from `now`.
///
/// # Errors
///
/// If the system gives no randomness or the parameters cannot be encoded.
pub fn authority(
    subject: &str,
    scope: Scope,
    key: &PrivateKey,
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
    let certificate = params.self_signed(&key.signing()?)?;
    Certified::new(to_pem(certificate.der())?, key)
}

/// A CA with its private key, ready to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Authority {
    /// Reads a CA from its certificate and key in PEM.
    ///
    /// # Errors
    ///
    /// If it is no CA, or the key is another one's.
    pub fn read(certificate: &Plaintext, key: &Plaintext) -> Result<Self, CertificateError> {
        let facts = CertificateFacts::of(certificate).map_err(|_| CertificateError::Authority)?;
        let key = PrivateKey::read(key).map_err(|_| CertificateError::Authority)?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.expose())
            .map_err(|_| CertificateError::Authority)?;
        let der = pem.contents;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Authority)?;
        if !parsed.is_ca() || facts.spki_sha256 != key.spki_sha256() {
            return Err(CertificateError::Authority);
        }
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key.signing()?)
            .map_err(|_| CertificateError::Authority)?;
        Ok(Self { issuer, der, not_before: facts.not_before, not_after: facts.not_after })
    }

    /// Until when it is valid, and everything that it signs at the latest.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Checks that clients will accept what it signs for each of the names, before keys are made.
    ///
    /// # Errors
    ///
    /// If it has expired or may not sign for one of them.
    pub fn permits(&self, names: &[ServerName], now: Timestamp) -> Result<(), CertificateError> {
        let key = KeyType::P256.generate()?;
        names.iter().try_for_each(|name| {
            let mut params = params("", 1, now)?;
            params.subject_alt_names = vec![name.alt_name()?];
            self.sign_leaf(params, std::slice::from_ref(name), &key, now).map(drop)
        })
    }

    /// Makes a server certificate for `names`, the first of which is the common name too. It is valid
    /// for `days` from `now`, but never longer than the CA.
    ///
    /// # Errors
    ///
    /// If there is no name, the first is longer than a common name may be, the CA has expired or may not
    /// sign for a name.
    pub fn leaf(
        &self,
        names: &[ServerName],
        key: &PrivateKey,
        days: u32,
        now: Timestamp,
    ) -> Result<Certified, CertificateError> {
        let common_name = names.first().ok_or(CertificateError::NoName)?.to_string();
        if common_name.len() > MAX_COMMON_NAME {
            return Err(CertificateError::CommonName(common_name));
        }
        let mut params = params(&common_name, days, now)?;
        params.subject_alt_names = names.iter().map(ServerName::alt_name).collect::<Result<_, _>>()?;
        let der = self.sign_leaf(params, names, key, now)?;
        Certified::new(to_pem(&der)?, key)
    }

    fn sign_leaf(
        &self,
        mut params: CertificateParams,
        names: &[ServerName],
        key: &PrivateKey,
        now: Timestamp,
    ) -> Result<Vec<u8>, CertificateError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if key.is_rsa() {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = self.sign(params, key, now)?;
        match chain::judge(&der, &[], &self.der, now) {
            Judged::Sound => Ok(der),
            Judged::Unsound(webpki::Error::NameConstraintViolation) => {
                let names: Vec<_> = names.iter().map(ServerName::to_string).collect();
                Err(CertificateError::Constrained(names.join(", ")))
            }
            Judged::Unsound(error) => Err(CertificateError::Unacceptable(error)),
        }
    }

    /// Makes a P-256 CA below this one, valid for `days` from `now` but never longer than it. It signs
    /// server certificates only, for `name` (a DNS name with all below it, or an IP address) if there is
    /// one, `localhost` and loopback addresses only, and no further CA.
    ///
    /// # Errors
    ///
    /// If the CA has expired, or the name has a wildcard.
    pub fn intermediate(
        &self,
        subject: &str,
        name: Option<&ServerName>,
        days: u32,
        now: Timestamp,
    ) -> Result<Certified, CertificateError> {
        let mut params = params(subject, days, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut constraints = loopback();
        if let Some(name) = name {
            constraints.permitted_subtrees.push(name.subtree()?);
        }
        params.name_constraints = Some(constraints);
        let key = KeyType::P256.generate()?;
        Certified::new(to_pem(&self.sign(params, &key, now)?)?, &key)
    }

    /// A certificate that ends with the CA at the latest.
    fn sign(
        &self,
        mut params: CertificateParams,
        key: &PrivateKey,
        now: Timestamp,
    ) -> Result<Vec<u8>, CertificateError> {
        if now < self.not_before {
            return Err(CertificateError::NotYetValid(self.not_before));
        }
        params.not_after = params.not_after.min(self.not_after.date_time());
        if params.not_after <= params.not_before {
            return Err(CertificateError::Expired);
        }
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&key.signing()?, &self.issuer)?.der().to_vec())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority(until {})", self.not_after)
    }
}

fn to_pem(der: &[u8]) -> Result<Plaintext, CertificateError> {
    Ok(Plaintext::from(pem::encode(pem::CERTIFICATE, der).map_err(|_| CertificateError::Unreadable)?))
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

/// A serial number with 128 random bits (RFC 5280, 4.1.2.2: positive, 20 octets at most).
fn serial() -> Result<SerialNumber, CertificateError> {
    let mut octets = [0; SERIAL_OCTETS];
    OsRng.try_fill_bytes(&mut octets[1..]).map_err(|_| CertificateError::Randomness)?;
    octets[0] = 1;
    Ok(SerialNumber::from_slice(&octets))
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

#[cfg(test)]
mod tests {
    use super::serial;

    #[test]
    fn a_serial_is_random_positive_and_of_one_length() {
        let [one, other] = [(); 2].map(|()| serial().unwrap().to_bytes());
        assert_ne!(one, other);
        assert!((one.len(), one[0]) == (17, 1) && other.len() == 17);
    }
}
