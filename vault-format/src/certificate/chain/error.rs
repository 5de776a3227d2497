//! Why a certificate is not taken in.

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Timestamp,
    certificate::{CertificateError, PemError},
};

/// Why a certificate is not taken in.
#[derive(Debug, Error, Diagnostic)]
pub enum ChainError {
    /// Not PEM.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pem(#[from] PemError),
    /// Not a certificate inside.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Certificate(#[from] CertificateError),
    /// Another PEM block.
    #[error("there is something else in it than certificates")]
    #[diagnostic(help(
        "leave the -----BEGIN CERTIFICATE----- blocks only, and give the key as a file of its own"
    ))]
    NotACertificate,
    /// Of another key.
    #[error("the private key does not belong to the certificate of {0}")]
    #[diagnostic(help("give the key that the certificate was requested with"))]
    Key(String),
    /// In another order.
    #[error("the certificates are in the wrong order")]
    #[diagnostic(help("the server's own comes first, then each before the one that signed it"))]
    Order,
    /// Incomplete.
    #[error("the chain is broken: the certificate of {issuer}, which signed {subject}, is missing")]
    #[diagnostic(help(
        "get it from the authority (often called intermediate, chain or CA bundle), and give it as CHAIN"
    ))]
    Missing {
        /// What it should be the issuer of.
        subject: String,
        /// The one that is missing.
        issuer: String,
    },
    /// Not signed by the one that has the issuer's name.
    #[error("the chain is broken: {issuer} did not sign {subject}")]
    #[diagnostic(help("get the chain that belongs to this certificate; two authorities may have one name"))]
    Signature {
        /// What should be signed.
        subject: String,
        /// Who should have.
        issuer: String,
    },
    /// Over.
    #[error("the certificate of {subject} expired on {until}")]
    #[diagnostic(help("have it renewed, or set this machine's clock"))]
    Expired {
        /// Whose.
        subject: String,
        /// When.
        until: Timestamp,
    },
    /// In the future.
    #[error("the certificate of {subject} is not valid before {from}")]
    #[diagnostic(help("import it then, or set this machine's clock"))]
    NotYetValid {
        /// Whose.
        subject: String,
        /// When.
        from: Timestamp,
    },
    /// What clients refuse for its weakness.
    #[error("the certificate of {subject} is weak: {what}")]
    #[diagnostic(help(
        "have it issued anew with SHA-256 and a key of type P-256, P-384 or RSA from 2048 bits"
    ))]
    Weak {
        /// Whose.
        subject: String,
        /// In what way.
        what: String,
    },
    /// An authority.
    #[error("it is the certificate of an authority, not of a server")]
    #[diagnostic(help("import what the authority signed for your server"))]
    Authority,
    /// For mail, code or clients.
    #[error("it is not a certificate for servers")]
    #[diagnostic(help("have one issued with the extended key usage serverAuth"))]
    NotForServers,
    /// Good for no name.
    #[error("it has no DNS name or IP address that clients would look for")]
    #[diagnostic(help(
        "have one issued with a subject alternative name; a common name alone counts nowhere"
    ))]
    NoNames,
    /// Signed by what is none or a limited one.
    #[error("the chain is broken: {subject} is no authority that may sign it")]
    #[diagnostic(help("get the chain that belongs to this certificate from the authority"))]
    NotAnAuthority {
        /// Whose certificate.
        subject: String,
    },
    /// In another way.
    #[error("the certificate does not verify: {0}")]
    #[diagnostic(help("look at it with `openssl verify -x509_strict -purpose sslserver`"))]
    Unacceptable(webpki::Error),
}
