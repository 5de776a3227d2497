//! Why a certificate could not be made or read.

use miette::Diagnostic;
use thiserror::Error;

use super::key::KeyError;
use crate::Timestamp;

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
    /// The CA is limited to other names.
    #[error("the vault's CA may not sign for {0}: its name constraints do not allow it")]
    #[diagnostic(help(
        "no client would accept it; see them with `vaultgen show certs/vault-ca-cert.pem | openssl x509 -noout -ext nameConstraints`"
    ))]
    Constrained(String),
    /// The CA is limited in another way.
    #[error("no client would accept what the vault's CA signs")]
    #[diagnostic(help(
        "look at it with `vaultgen show certs/vault-ca-cert.pem | openssl x509 -noout -text`"
    ))]
    Unacceptable(#[source] webpki::Error),
    /// Not a PEM certificate.
    #[error("it is not a PEM certificate")]
    #[diagnostic(help("the file starts with -----BEGIN CERTIFICATE-----"))]
    Unreadable,
    /// Not a DNS name or IP address.
    #[error("\"{name}\" is neither a DNS name nor an IP address: {why}")]
    #[diagnostic(help("write names such as odoo.example.org, in ASCII (xn--… for others)"))]
    Name {
        /// The text.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No name at all.
    #[error("a server certificate needs a name")]
    #[diagnostic(help("name the server as its clients do, such as odoo.example.org"))]
    NoName,
    /// Too long for the subject.
    #[error("{0} is too long for a common name, which has 64 characters at most")]
    #[diagnostic(help("name a shorter one first, and this one with --san"))]
    CommonName(String),
    /// Not a key.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Key(#[from] KeyError),
    /// Beyond the calendar.
    #[error("the validity ends beyond the year 9999")]
    #[diagnostic(help("ask for fewer days"))]
    Validity,
    /// No randomness.
    #[error("the system gives no random bytes")]
    #[diagnostic(help("run the command again when the system has started up"))]
    Randomness,
    /// Name constraints of another kind.
    #[error("the vault's CA may sign for names that vaultgen does not know how to say")]
    #[diagnostic(help(
        "make the new CA with the tool that made this one, and `vaultgen remove` and `add` both files"
    ))]
    Reach,
    /// In the future.
    #[error("the vault's CA is not valid before {0}")]
    #[diagnostic(help("set this machine's clock"))]
    NotYetValid(Timestamp),
}
