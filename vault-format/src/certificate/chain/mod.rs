//! Certificates that others signed: whether they are complete, in order, valid and strong.

mod error;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{
    der_parser::{Oid, oid},
    error::X509Error,
    oid_registry::{OID_PKCS1_MD2WITHRSAENC, OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA},
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
};

pub use self::error::ChainError;
use super::{
    CertificateError, Certified, PrivateKey,
    key::MIN_RSA_BITS,
    pem::{self, PemError},
};
use crate::{Digest, Plaintext, Timestamp};

/// ecdsa-with-SHA1 (RFC 3279, 2.2.3).
const OID_ECDSA_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// A certificate that somebody else signed, with what a person should know of it.
#[derive(Debug)]
pub struct Imported {
    /// The certificate with its chain, as a server sends it, and the key.
    pub certified: Certified,
    /// Who signed the last one: whom clients must trust already.
    pub anchor: String,
}

/// Takes a certificate and its key, in PEM. The authorities between it and its root come after it or in
/// `chain`, each before the one that signed it. The root itself may be there and is left out, since a
/// client has it or does not trust it.
///
/// # Errors
///
/// If anything is missing, in another order, damaged, weak or not valid at `now`, or the key is
/// another one's.
pub fn import(
    certificate: &Plaintext,
    chain: Option<&Plaintext>,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<Imported, ChainError> {
    let mut ders = certificates(certificate)?;
    for der in chain.map(certificates).transpose()?.into_iter().flatten() {
        if !ders.contains(&der) {
            ders.push(der);
        }
    }
    let chain = ders.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
    check_key(&chain, key)?;
    check_order(&chain)?;
    for (below, one) in chain.iter().enumerate() {
        if below > 0 && !is_authority(one, below - 1) {
            return Err(ChainError::NotAnAuthority { subject: subject(one) });
        }
        check_validity(one, now)?;
        check_strength(one)?;
    }
    check_signatures(&chain)?;
    let [leaf, above @ ..] = ders.as_slice() else { return Err(PemError::NotPem.into()) };
    let (anchor, between) = above.split_last().unwrap_or((leaf, &[]));
    if let Judged::Unsound(error) = judge(leaf, between, anchor, now) {
        return Err(explain(error));
    }
    // A certificate signed by itself is no root but the server's own: it stays.
    let last = chain.last().filter(|last| chain.len() > 1 && is_self_signed(last));
    let sent = ders.len() - usize::from(last.is_some());
    let mut pem = zeroize::Zeroizing::new(String::new());
    for der in &ders[..sent] {
        pem.push_str(&pem::encode(pem::CERTIFICATE, der)?);
    }
    let certified = Certified::new(Plaintext::from(pem), key)?;
    if certified.facts.names.is_empty() {
        return Err(ChainError::NoNames);
    }
    let anchor = chain.last().map(|last| last.issuer().to_string()).unwrap_or_default();
    Ok(Imported { certified, anchor })
}

fn certificates(file: &Plaintext) -> Result<Vec<Vec<u8>>, ChainError> {
    pem::blocks(file)?
        .into_iter()
        .map(|block| match block.label {
            pem::CERTIFICATE => Ok(block.decode()?.to_vec()),
            _ => Err(ChainError::NotACertificate),
        })
        .collect()
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, ChainError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Unreadable.into()),
    }
}

fn check_key(chain: &[X509Certificate<'_>], key: &PrivateKey) -> Result<(), ChainError> {
    let fits = |one: &X509Certificate<'_>| Digest::of(one.public_key().raw) == key.spki_sha256();
    match chain.iter().position(fits) {
        Some(0) => Ok(()),
        Some(later) if !chain[later].is_ca() => Err(ChainError::Order),
        _ => Err(ChainError::Key(chain.first().map(subject).unwrap_or_default())),
    }
}

/// Each names the next as its issuer.
fn check_order(chain: &[X509Certificate<'_>]) -> Result<(), ChainError> {
    for pair in chain.windows(2) {
        let [one, next] = pair else { continue };
        if one.issuer().as_raw() != next.subject().as_raw() {
            let elsewhere = chain.iter().any(|other| one.issuer().as_raw() == other.subject().as_raw());
            return Err(if elsewhere { ChainError::Order } else { missing(one) });
        }
    }
    match chain {
        [alone] if !is_self_signed(alone) => Err(missing(alone)),
        _ => Ok(()),
    }
}

/// Each is signed by the next. What this library cannot verify is left to [`judge`].
fn check_signatures(chain: &[X509Certificate<'_>]) -> Result<(), ChainError> {
    chain.windows(2).try_for_each(|pair| match pair {
        [one, next] => match one.verify_signature(Some(next.public_key())) {
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => Ok(()),
            Err(_) => Err(ChainError::Signature { subject: subject(one), issuer: subject(next) }),
        },
        _ => Ok(()),
    })
}

/// Whether it may sign a server's certificate with so many authorities between them. Of the last one of a
/// chain a client asks this, while [`judge`] takes that one for granted.
fn is_authority(one: &X509Certificate<'_>, between: usize) -> bool {
    let constraints = one.basic_constraints().ok().flatten().map(|extension| extension.value);
    let is_ca = constraints.is_some_and(|constraints| {
        let length = constraints.path_len_constraint.map(usize::try_from);
        constraints.ca && length.is_none_or(|length| length.is_ok_and(|length| between <= length))
    });
    let may_sign = match one.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    let for_servers = match one.extended_key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.server_auth || usage.value.any),
        Err(_) => false,
    };
    is_ca && may_sign && for_servers
}

fn check_validity(one: &X509Certificate<'_>, now: Timestamp) -> Result<(), ChainError> {
    let from = Timestamp::from(one.validity().not_before.to_datetime());
    let until = Timestamp::from(one.validity().not_after.to_datetime());
    if now < from {
        return Err(ChainError::NotYetValid { subject: subject(one), from });
    }
    if until < now {
        return Err(ChainError::Expired { subject: subject(one), until });
    }
    Ok(())
}

/// A root is trusted for its own sake: what it signs itself with does not count.
fn check_strength(one: &X509Certificate<'_>) -> Result<(), ChainError> {
    let weak = [
        (OID_PKCS1_SHA1WITHRSA, "SHA-1"),
        (OID_ECDSA_SHA1, "SHA-1"),
        (OID_PKCS1_MD5WITHRSAENC, "MD5"),
        (OID_PKCS1_MD2WITHRSAENC, "MD2"),
    ];
    let found = weak.into_iter().find(|(oid, _)| *oid == one.signature_algorithm.algorithm);
    if let Some((_, digest)) = found.filter(|_| !(one.is_ca() && is_self_signed(one))) {
        return Err(ChainError::Weak { subject: subject(one), what: format!("signed with {digest}") });
    }
    match one.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < MIN_RSA_BITS => {
            Err(ChainError::Weak { subject: subject(one), what: format!("RSA of {} bits", key.key_size()) })
        }
        _ => Ok(()),
    }
}

fn subject(one: &X509Certificate<'_>) -> String {
    one.subject().to_string()
}

fn missing(one: &X509Certificate<'_>) -> ChainError {
    ChainError::Missing { subject: subject(one), issuer: one.issuer().to_string() }
}

fn is_self_signed(one: &X509Certificate<'_>) -> bool {
    one.subject().as_raw() == one.issuer().as_raw()
}

/// What a client says of a server's certificate.
pub(super) enum Judged {
    Sound,
    Unsound(webpki::Error),
}

/// Judges a server's certificate as a client does that trusts `anchor` (RFC 5280, 6.1).
pub(super) fn judge(leaf: &[u8], between: &[Vec<u8>], anchor: &[u8], now: Timestamp) -> Judged {
    let judged = || {
        let (leaf, anchor) = (CertificateDer::from(leaf), CertificateDer::from(anchor));
        let between: Vec<_> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let now = now.system_time().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        EndEntityCert::try_from(&leaf)?.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &[anchor_from_trusted_cert(&anchor)?],
            &between,
            UnixTime::since_unix_epoch(now),
            KeyUsage::server_auth(),
            None,
            None,
        )?;
        Ok(())
    };
    judged().map_or_else(Judged::Unsound, |()| Judged::Sound)
}

fn explain(error: webpki::Error) -> ChainError {
    use webpki::Error;
    match error {
        Error::CaUsedAsEndEntity => ChainError::Authority,
        Error::RequiredEkuNotFoundContext(_) => ChainError::NotForServers,
        error => ChainError::Unacceptable(error),
    }
}
