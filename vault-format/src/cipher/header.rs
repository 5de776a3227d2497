//! The header of an age file: what can be told of it without a key.

use std::collections::BTreeSet;

use age_core::format::read::age_stanza;

use super::{CipherError, MAX_HEADER, VERSION_LINE};
use crate::Recipient;

/// `--- ` and the 43 characters of an unpadded base64 MAC of 32 bytes, and the line's end.
pub(super) const MAC_LINE: usize = 4 + 43 + 1;
const GREASE_SUFFIX: &str = "-grease";
/// The types of stanzas that the age crate makes by itself, and that no plugin may.
pub(super) const NATIVE_STANZAS: [&str; 4] = ["X25519", "ssh-ed25519", "ssh-rsa", PASSPHRASE_STANZA];
/// The type of the stanza for a passphrase, whose cost its author chooses.
pub(crate) const PASSPHRASE_STANZA: &str = "scrypt";

/// The part of an age file that can be read without a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The header's length in bytes, up to and including the line with the MAC.
    pub(super) len: usize,
    /// The type of each recipient stanza but grease, such as `X25519`.
    pub(super) stanzas: Vec<String>,
    /// How many stanzas were grease: made to be ignored.
    pub(super) grease: usize,
}

impl Header {
    /// Reads the header at the start of an age file.
    ///
    /// # Errors
    ///
    /// If this is no age v1 file, or its header is longer than [`MAX_HEADER`].
    pub fn parse(file: &[u8]) -> Result<Self, CipherError> {
        if file.is_empty() {
            return Err(CipherError::Empty);
        }
        let limited = &file[..file.len().min(MAX_HEADER)];
        let mut rest = limited.strip_prefix(VERSION_LINE).ok_or(CipherError::NotAge)?;
        let mut stanzas = Vec::new();
        let mut grease = 0;
        while rest.starts_with(b"-> ") {
            let (after, stanza) = age_stanza(rest).map_err(|_| CipherError::Header)?;
            if stanza.tag.ends_with(GREASE_SUFFIX) {
                grease += 1;
            } else {
                stanzas.push(stanza.tag.to_owned());
            }
            rest = after;
        }
        if !rest.starts_with(b"--- ") || rest.get(MAC_LINE - 1) != Some(&b'\n') {
            return Err(CipherError::Header);
        }
        let len = limited.len() - rest.len() + MAC_LINE;
        Ok(Self { len, stanzas, grease })
    }

    /// The type of each recipient stanza but grease, such as `X25519`.
    #[must_use]
    pub fn stanzas(&self) -> &[String] {
        &self.stanzas
    }

    /// Whether a passphrase opens the file.
    #[must_use]
    pub fn has_passphrase(&self) -> bool {
        self.stanzas.iter().any(|tag| tag == PASSPHRASE_STANZA)
    }

    /// How many stanzas are grease: made to be ignored, so that readers stay open to new types.
    #[must_use]
    pub fn grease(&self) -> usize {
        self.grease
    }

    /// Whether the stanzas are those of a file for exactly these recipients: of each native one the
    /// right type, once. Any other type must be from a plugin: there are none if no recipient is of
    /// one, else at least as many as such recipients.
    #[must_use]
    pub fn fits(&self, recipients: &BTreeSet<Recipient>) -> bool {
        let mut expected: Vec<&str> = recipients.iter().filter_map(Recipient::stanza_type).collect();
        let of_plugins = recipients.len() - expected.len();
        let (others, mut native): (Vec<&str>, Vec<&str>) =
            self.stanzas.iter().map(String::as_str).partition(|tag| Self::is_of_plugin(tag));
        expected.sort_unstable();
        native.sort_unstable();
        let others_fit = if of_plugins == 0 { others.is_empty() } else { others.len() >= of_plugins };
        native == expected && others_fit && self.grease <= 1
    }

    /// Whether a stanza of this type can only be from a plugin.
    pub(crate) fn is_of_plugin(tag: &str) -> bool {
        !NATIVE_STANZAS.contains(&tag) && !tag.ends_with(GREASE_SUFFIX)
    }
}
