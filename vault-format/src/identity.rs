//! Identities: private keys that decrypt.

use std::{collections::BTreeSet, fmt};

use age::secrecy::ExposeSecret;
use miette::Diagnostic;
use thiserror::Error;

use crate::{Plaintext, Recipient, Timestamp};

/// The private keys at hand, with the public key of each.
pub struct Identities(Vec<(Recipient, age::x25519::Identity)>);

impl Identities {
    /// No identity: opens nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Makes a new X25519 identity.
    #[must_use]
    pub fn generate() -> Self {
        let identity = age::x25519::Identity::generate();
        Self(vec![(Recipient::from(&identity), identity)])
    }

    /// Reads an identity file as `age-keygen` writes it: one `AGE-SECRET-KEY-1…` a line, with
    /// empty lines and comments (`#`) between.
    ///
    /// # Errors
    ///
    /// If a line is no X25519 identity (the line is named by its number, never shown), or
    /// there is none.
    pub fn parse(text: &Plaintext) -> Result<Self, IdentityError> {
        let text = text.expose_str().ok_or(IdentityError::NotText)?;
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity: age::x25519::Identity = line.parse().map_err(|_| IdentityError::Line(index + 1))?;
            keys.push((Recipient::from(&identity), identity));
        }
        if keys.is_empty() {
            return Err(IdentityError::Empty);
        }
        Ok(Self(keys))
    }

    /// The file that `age` and `rage` read, with the public key as a comment, in the form of
    /// `age-keygen`.
    #[must_use]
    pub fn to_file(&self, created: Timestamp) -> Plaintext {
        let size: usize = self.0.len() * 256;
        let mut text = zeroize::Zeroizing::new(String::with_capacity(size));
        for (recipient, identity) in &self.0 {
            for part in ["# created: ", &created.to_string(), "\n# public key: ", recipient.as_str(), "\n"] {
                text.push_str(part);
            }
            text.push_str(identity.to_string().expose_secret());
            text.push('\n');
        }
        Plaintext::from(text)
    }

    /// Adds the keys of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The public keys of these identities.
    #[must_use]
    pub fn recipients(&self) -> BTreeSet<Recipient> {
        self.0.iter().map(|(recipient, _)| recipient.clone()).collect()
    }

    /// The keys for the age crate.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|(_, identity)| identity as &dyn age::Identity)
    }
}

/// Shows the public keys only.
impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(recipient, _)| recipient)).finish()
    }
}

/// Why a file is no identity file. No message shows any of its content.
#[derive(Debug, Error, Diagnostic)]
pub enum IdentityError {
    /// Not UTF-8.
    #[error("it is not a text file")]
    #[diagnostic(help("an identity file is what `age-keygen` writes"))]
    NotText,
    /// A line that is neither comment nor key.
    #[error("line {0} is no age identity")]
    #[diagnostic(help("each line is a comment (#) or a key AGE-SECRET-KEY-1…, as `age-keygen` writes it"))]
    Line(usize),
    /// No key.
    #[error("it holds no key")]
    #[diagnostic(help("restore the file from its backup, or make a new one with `age-keygen`"))]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_reads_back_with_the_same_public_key() {
        let made = Identities::generate();
        let read = Identities::parse(&made.to_file(Timestamp::now())).unwrap();
        assert_eq!(made.recipients(), read.recipients());
    }

    #[test]
    fn errors_name_the_line_and_show_nothing_of_it() {
        let text = Plaintext::from("# comment\n\nAGE-SECRET-KEY-1BROKEN\n".to_owned());
        let error = Identities::parse(&text).unwrap_err().to_string();
        assert_eq!(error, "line 3 is no age identity");
        assert!(matches!(
            Identities::parse(&Plaintext::from("# only a comment\n".to_owned())),
            Err(IdentityError::Empty)
        ));
        assert!(matches!(Identities::parse(&Plaintext::from(vec![0xff, 0xfe])), Err(IdentityError::NotText)));
    }
}
