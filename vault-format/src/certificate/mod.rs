//! X.509 certificates (RFC 5280): the vault's own CA, what it signs, and those that others signed.

mod authority;
mod chain;
mod error;
mod facts;
mod key;
mod name;
mod pem;
#[cfg(test)]
mod tests;

pub use self::{
    authority::{Authority, Certified, Scope, authority},
    chain::{ChainError, Imported, import},
    error::CertificateError,
    facts::{CertificateFacts, may_sign, name_and_scope},
    key::{KeyError, KeyType, PrivateKey},
    name::ServerName,
    pem::PemError,
};

/// Validity of the vault's CA in days: 10 years.
pub const CA_DAYS: u32 = 3653;
/// Validity of a leaf in days: just below the 398 that browsers accept.
pub const LEAF_DAYS: u32 = 397;
