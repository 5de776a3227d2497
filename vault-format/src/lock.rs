//! `vault.lock`: the facts about every file of the vault, written by machine and signed.

mod written;

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use rand::{TryRngCore, rngs::OsRng};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::{Digest, Recipient, SecretName, Timestamp, facts::Facts};

/// How many ancestors a lock remembers.
pub const MAX_ANCESTORS: usize = 512;

/// Most bytes of a lock: 100,000 secrets for ten keys each with the facts of a certificate, or 500,000 for one key. As
/// we write it, it takes five times that in memory.
pub const MAX_BYTES: u64 = 1 << 27;

/// Most bytes of a lock that is not as we write it: any TOML can take 80 times that in memory.
const MAX_OTHER: usize = 1 << 22;

const VERSION: u32 = 1;
const PREAMBLE: &str = "# Written by vaultgen and signed: a change by hand breaks the signature.\n";

/// A vault's identity for life: 128 random bits, made once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaultId(String);

impl VaultId {
    /// A new id.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn random() -> Result<Self, LockError> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| LockError::Randomness)?;
        Ok(Self(hex::encode(bytes)))
    }
}

impl std::fmt::Display for VaultId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VaultId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(lower_hex) {
            Ok(Self(text))
        } else {
            Err("a vault id is 32 lower-case hexadecimal digits")
        }
    }
}

impl From<VaultId> for String {
    fn from(id: VaultId) -> Self {
        id.0
    }
}

/// Where a secret's present value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Made by vaultgen.
    Generated,
    /// Typed by a person.
    Entered,
    /// Brought in from a file.
    Imported,
}

/// What the lock says of one secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSecret {
    /// SHA-256 of the ciphertext file.
    pub sha256: Digest,
    /// The public keys that the file is encrypted to: a signed claim, since an age file does not
    /// name them.
    pub recipients: BTreeSet<Recipient>,
    /// Keys that could decrypt the present value once and no longer belong to its audience: the
    /// value is known to them until it is changed at its source.
    #[serde(default, rename = "exposed-to", skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_to: BTreeSet<Recipient>,
    /// When the secret first came into the vault.
    pub created: Timestamp,
    /// When its value last changed.
    pub rotated: Timestamp,
    /// Where its value comes from.
    pub origin: Origin,
    /// Public facts of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

/// The lock of one state of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Which vault this is.
    pub id: VaultId,
    /// Grows with each change.
    pub serial: u64,
    /// Digests of the locks that this one descends from, newest first, [`MAX_ANCESTORS`] at most.
    pub ancestors: Vec<Digest>,
    /// SHA-256 of each public file, by its path in the vault.
    pub files: BTreeMap<String, Digest>,
    /// Each secret.
    #[serde(default, rename = "secret")]
    pub secrets: BTreeMap<SecretName, LockedSecret>,
}

impl Lock {
    /// The lock of a new vault, with nothing in it and serial 0.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn new() -> Result<Self, LockError> {
        Ok(Self {
            version: VERSION,
            id: VaultId::random()?,
            serial: 0,
            ancestors: Vec::new(),
            files: BTreeMap::new(),
            secrets: BTreeMap::new(),
        })
    }

    /// Parses a lock whose bytes were authenticated before.
    ///
    /// # Errors
    ///
    /// If it is no lock of this version.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let lock = match written::read(text) {
            Some(lock) => lock,
            None if text.len() > MAX_OTHER => return Err(LockError::Strange),
            None => toml::from_str(text).map_err(|error| match toml::from_str(text) {
                // Another version may well have keys that we do not know.
                Ok(Version { version }) if version != VERSION => LockError::Version(version),
                _ => malformed(text, &error),
            })?,
        };
        if lock.version != VERSION {
            return Err(LockError::Version(lock.version));
        }
        if lock.ancestors.len() > MAX_ANCESTORS {
            return Err(LockError::Ancestors);
        }
        Ok(lock)
    }

    /// The text of the file: sorted, and the same bytes for the same state.
    ///
    /// # Errors
    ///
    /// None in practice: every field has a form in TOML.
    pub fn to_text(&self) -> Result<String, LockError> {
        let mut document = DocumentMut::new();
        document.insert("version", value(i64::from(self.version)));
        document.insert("id", value(self.id.to_string()));
        document.insert("serial", value(i64::try_from(self.serial).map_err(|_| LockError::Serial)?));
        document.insert("ancestors", value(lines(self.ancestors.iter().map(Digest::to_string))));
        let files = self.files.iter().map(|(path, digest)| (path, digest.to_string()));
        document.insert("files", Item::Table(files.collect()));

        let secrets = self.secrets.par_iter().map(|(name, secret)| secret_text(name, secret));
        let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{PREAMBLE}{document}{}", secrets.concat()))
    }
}

/// The table of one secret, after an empty line.
fn secret_text(name: &SecretName, secret: &LockedSecret) -> Result<String, LockError> {
    let fields = toml_edit::ser::to_document(secret).map_err(|_| LockError::Encode(name.clone()))?;
    let mut table = fields.into_table();
    table.insert("recipients", value(lines(secret.recipients.iter().map(Recipient::to_string))));
    if !secret.exposed_to.is_empty() {
        table.insert("exposed-to", value(lines(secret.exposed_to.iter().map(Recipient::to_string))));
    }
    let mut secrets = Table::new();
    secrets.set_implicit(true);
    secrets.insert(name.as_str(), Item::Table(table));
    let mut document = DocumentMut::new();
    document.insert("secret", Item::Table(secrets));
    Ok(format!("\n{document}"))
}

/// The one key that every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn malformed(text: &str, error: &toml::de::Error) -> LockError {
    LockError::Malformed {
        line: error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1),
        what: error.message().lines().next().unwrap_or_default().to_owned(),
    }
}

/// An array with a line for each item, so that a diff shows what came and went.
fn lines(items: impl Iterator<Item = String>) -> Array {
    let mut array: Array = items.collect();
    if array.is_empty() {
        return array;
    }
    for item in array.iter_mut() {
        item.decor_mut().set_prefix("\n    ");
    }
    array.set_trailing_comma(true);
    array.set_trailing("\n");
    array
}

/// Why a lock cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum LockError {
    /// Not a lock.
    #[error("vault.lock is malformed at line {line}: {what}")]
    #[diagnostic(help(
        "it is signed, so a faulty odbox wrote it: report this with the lock, which holds no secret"
    ))]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// Another version.
    #[error("vault.lock has version {0}, and this odbox knows version 1")]
    #[diagnostic(help("use a newer odbox"))]
    Version(u32),
    /// Long, and not as we write it.
    #[error("vault.lock is longer than 4 MiB, and not written as vaultgen writes it")]
    #[diagnostic(help(
        "it is signed, so another program wrote it: have vaultgen write it, which takes up to 128 MiB"
    ))]
    Strange,
    /// More than [`MAX_ANCESTORS`].
    #[error("vault.lock names more than 512 ancestors")]
    Ancestors,
    /// Beyond what TOML can write.
    #[error("the serial number is too large")]
    Serial,
    /// No form in TOML.
    #[error("cannot write the facts of {0}")]
    Encode(SecretName),
    /// No randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

#[cfg(test)]
mod tests;
