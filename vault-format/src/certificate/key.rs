//! Private keys of certificates: making them, and reading those that others made.

use std::fmt;

use ed25519_dalek::{SigningKey, pkcs8::KeypairBytes};
use miette::Diagnostic;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SignatureAlgorithm};
use rsa::{
    RsaPrivateKey,
    pkcs1::{self, DecodeRsaPrivateKey},
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, PrivateKeyInfo, SecretDocument},
    rand_core::OsRng,
    traits::PublicKeyParts,
};
use thiserror::Error;

use super::{
    CertificateError,
    pem::{self, PemError},
};
use crate::{Digest, Plaintext, progress::Work};

/// Fewest bits of an RSA key that clients still accept (CA/Browser Forum, Baseline Requirements 6.1.5).
pub(super) const MIN_RSA_BITS: usize = 2048;
/// Most bits of an RSA key that OpenSSL's and our peers' verification takes.
const MAX_RSA_BITS: usize = 8192;
const RSA_BITS: usize = 4096;

/// PKCS#8 (RFC 5958).
const PKCS8: &str = "PRIVATE KEY";
/// PKCS#1 (RFC 8017).
const PKCS1: &str = "RSA PRIVATE KEY";
/// SEC 1 (RFC 5915).
const SEC1: &str = "EC PRIVATE KEY";
/// OpenSSL writes the name of the curve once more before a key in SEC 1.
const EC_PARAMETERS: &str = "EC PARAMETERS";

/// What kind of key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256: the fastest, and every client knows it.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of 4,096 bits, for clients that know nothing else. It takes seconds to make.
    Rsa4096,
}

impl KeyType {
    /// The type to make in place of a key of this type, as [`super::CertificateFacts`] names it.
    #[must_use]
    pub fn in_place_of(key_type: &str) -> Self {
        match key_type {
            "p384" => Self::P384,
            rsa if rsa.starts_with("rsa") => Self::Rsa4096,
            _ => Self::P256,
        }
    }

    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn generate(self) -> Result<PrivateKey, CertificateError> {
        let ecdsa = |algorithm| -> Result<PrivateKey, CertificateError> {
            let mut key = KeyPair::generate_for(algorithm)?;
            let read = PrivateKey::from_pkcs8(key.serialized_der());
            zeroize::Zeroize::zeroize(&mut key);
            Ok(read?)
        };
        match self {
            Self::P256 => ecdsa(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => ecdsa(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa4096 => {
                let _work = Work::endless("making an RSA key");
                let key =
                    RsaPrivateKey::new(&mut OsRng, RSA_BITS).map_err(|_| CertificateError::Randomness)?;
                Ok(PrivateKey::rsa(&key)?)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    Rsa,
    Ed25519,
}

/// A private key, wiped on drop and never printed.
pub struct PrivateKey {
    pkcs8: SecretDocument,
    algorithm: Algorithm,
    spki: Vec<u8>,
}

impl PrivateKey {
    /// Reads a key file: PKCS#8, PKCS#1 or SEC 1 in PEM, of type P-256, P-384, RSA or Ed25519.
    ///
    /// # Errors
    ///
    /// If it is anything else, encrypted, damaged or weak.
    pub fn read(file: &Plaintext) -> Result<Self, KeyError> {
        let blocks = pem::blocks(file)?;
        let mut keys = blocks.iter().filter(|block| block.label != EC_PARAMETERS);
        let (Some(block), None) = (keys.next(), keys.next()) else { return Err(KeyError::NotOne) };
        let read = match block.label {
            PKCS8 => Self::from_pkcs8,
            PKCS1 => Self::from_pkcs1,
            SEC1 => Self::from_sec1,
            _ => return Err(KeyError::NotAKey),
        };
        read(&block.decode()?)
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::try_from(der).map_err(|_| KeyError::Damaged)?;
        match (info.algorithm.oid, info.algorithm.parameters_oid().ok()) {
            (pkcs1::ALGORITHM_OID, _) => Self::from_pkcs1(info.private_key),
            (p256::elliptic_curve::ALGORITHM_OID, Some(curve)) if is_curve::<p256::NistP256>(curve) => {
                Self::p256(&p256::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Damaged)?)
            }
            (p256::elliptic_curve::ALGORITHM_OID, Some(curve)) if is_curve::<p384::NistP384>(curve) => {
                Self::p384(&p384::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Damaged)?)
            }
            (ed25519_dalek::pkcs8::ALGORITHM_OID, _) => {
                Self::ed25519(&SigningKey::from_pkcs8_der(der).map_err(|_| KeyError::Damaged)?)
            }
            _ => Err(KeyError::Unsupported),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let parts = pkcs1::RsaPrivateKey::try_from(der).map_err(|_| KeyError::Damaged)?;
        // Before anything is computed with it: a hostile key may be as long as its file.
        let bits = parts.modulus.as_bytes().len() * 8;
        if bits > MAX_RSA_BITS {
            return Err(KeyError::Size(bits));
        }
        let key = RsaPrivateKey::from_pkcs1_der(der).map_err(|_| KeyError::Damaged)?;
        key.validate().map_err(|_| KeyError::Damaged)?;
        Self::rsa(&key)
    }

    fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::SecretKey::from_sec1_der(der) {
            return Self::p256(&key);
        }
        Self::p384(&p384::SecretKey::from_sec1_der(der).map_err(|_| KeyError::Unsupported)?)
    }

    fn p256(key: &p256::SecretKey) -> Result<Self, KeyError> {
        Self::new(Algorithm::P256, key, &key.public_key())
    }

    fn p384(key: &p384::SecretKey) -> Result<Self, KeyError> {
        Self::new(Algorithm::P384, key, &key.public_key())
    }

    fn rsa(key: &RsaPrivateKey) -> Result<Self, KeyError> {
        let bits = key.n().bits();
        if bits < MIN_RSA_BITS {
            return Err(KeyError::Size(bits));
        }
        Self::new(Algorithm::Rsa, key, &key.to_public_key())
    }

    /// Without the public half, which OpenSSL 3.0 does not read.
    fn ed25519(key: &SigningKey) -> Result<Self, KeyError> {
        let private = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        Self::new(Algorithm::Ed25519, &private, &key.verifying_key())
    }

    fn new(
        algorithm: Algorithm,
        private: &impl EncodePrivateKey,
        public: &impl EncodePublicKey,
    ) -> Result<Self, KeyError> {
        let spki = public.to_public_key_der().map_err(|_| KeyError::Damaged)?.into_vec();
        Ok(Self { pkcs8: private.to_pkcs8_der().map_err(|_| KeyError::Damaged)?, algorithm, spki })
    }

    /// The key in PKCS#8 and PEM: the one form in which a vault keeps it.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn to_pem(&self) -> Result<Plaintext, KeyError> {
        Ok(Plaintext::from(pem::encode(PKCS8, self.pkcs8.as_bytes())?))
    }

    /// SHA-256 of its SubjectPublicKeyInfo, which its certificate has too.
    #[must_use]
    pub fn spki_sha256(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// Whether it is an RSA key: some clients still encrypt to those.
    pub(super) fn is_rsa(&self) -> bool {
        self.algorithm == Algorithm::Rsa
    }

    /// The same key, to sign with.
    pub(super) fn signing(&self) -> Result<KeyPair, rcgen::Error> {
        let algorithm: &'static SignatureAlgorithm = match self.algorithm {
            Algorithm::P256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::P384 => &PKCS_ECDSA_P384_SHA384,
            Algorithm::Rsa => &PKCS_RSA_SHA256,
            Algorithm::Ed25519 => &rcgen::PKCS_ED25519,
        };
        KeyPair::from_pkcs8_der_and_sign_algo(&self.pkcs8.as_bytes().into(), algorithm)
    }
}

fn is_curve<C: rsa::pkcs8::AssociatedOid>(oid: rsa::pkcs8::ObjectIdentifier) -> bool {
    oid == C::OID
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?})", self.algorithm)
    }
}

/// Why a private key cannot be used. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum KeyError {
    /// Not PEM, or encrypted.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pem(#[from] PemError),
    /// Another block.
    #[error("it is not a private key")]
    #[diagnostic(help(
        "a private key starts with -----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY or EC PRIVATE KEY"
    ))]
    NotAKey,
    /// Several, or none.
    #[error("it is not one private key alone")]
    #[diagnostic(help("leave one private key in the file, and put certificates into another"))]
    NotOne,
    /// Contradicts itself.
    #[error("the private key is damaged")]
    #[diagnostic(help("take it from its source again, and look at it with `openssl pkey -check -noout`"))]
    Damaged,
    /// Of another type.
    #[error("the private key is of a type that is not supported")]
    #[diagnostic(help("use a key of type P-256, P-384, RSA or Ed25519"))]
    Unsupported,
    /// Weak, or absurd.
    #[error("the private key is RSA of {0} bits")]
    #[diagnostic(help("have the certificate issued anew for a key of 2048 to 8192 bits"))]
    Size(usize),
}
