//! Recipients: public keys that can decrypt.

use std::{
    borrow::{Borrow, Cow},
    cell::RefCell,
    collections::BTreeSet,
    fmt,
    str::FromStr,
    sync::Arc,
};

use miette::Diagnostic;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

use crate::plugin::{self, PluginRecipient};

/// A public key that can decrypt: an age X25519 recipient (`age1…`), an SSH key (`ssh-ed25519` or
/// `ssh-rsa`), or one that an age plugin uses (`age1NAME1…`).
///
/// Ordered and compared by its one spelling: Bech32 in lower case, or type and base64 without a
/// comment. The text is shared, since each of ten thousand secrets names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient(Arc<str>);

impl Recipient {
    /// The public key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type of the one stanza that a file encrypted to this key has. None for a plugin's: how many it
    /// makes, and of which type, only the plugin knows.
    #[must_use]
    pub fn stanza_type(&self) -> Option<&str> {
        match self.0.split_once(' ') {
            Some((ssh_type, _)) => Some(ssh_type),
            None => (!self.is_of_plugin()).then_some("X25519"),
        }
    }

    /// Whether it takes an age plugin to encrypt to this key.
    #[must_use]
    pub fn is_of_plugin(&self) -> bool {
        // The data of Bech32 has no digit 1: an X25519 key has one only, after `age`.
        !self.0.contains(' ') && self.0.matches('1').count() > 1
    }

    /// Whether opening a file with this key takes some hundred times as long as with any other: an RSA
    /// key does. Some 50 ms for 4,096 bits, where X25519 takes a quarter of one.
    #[must_use]
    pub fn is_costly(&self) -> bool {
        self.stanza_type() == Some("ssh-rsa")
    }

    /// The key for the age crate. It was parsed before, so this cannot fail in practice.
    pub(crate) fn age_recipient(&self) -> Result<Box<dyn age::Recipient + Send + Sync + '_>, RecipientError> {
        let unreadable = || RecipientError::unreadable(&self.0);
        if self.is_of_plugin() {
            let plugin = plugin::of_recipient(&self.0).ok_or_else(unreadable)?;
            return Ok(Box::new(PluginRecipient { plugin, recipient: self }));
        }
        if self.0.contains(' ') {
            let key: age::ssh::Recipient = self.0.parse().map_err(|_| unreadable())?;
            return Ok(Box::new(key));
        }
        let key: age::x25519::Recipient = self.0.parse().map_err(|_| unreadable())?;
        Ok(Box::new(key))
    }
}

impl From<&age::x25519::Identity> for Recipient {
    fn from(identity: &age::x25519::Identity) -> Self {
        Self(identity.to_public().to_string().into())
    }
}

/// Why a text is no recipient.
#[derive(Debug, Error, Diagnostic)]
pub enum RecipientError {
    /// A hybrid post-quantum recipient.
    #[error("the post-quantum recipient {0} is not supported yet")]
    #[diagnostic(help("use an X25519 recipient (age1…) until age supports post-quantum keys natively"))]
    PostQuantum(String),
    /// An SSH public key of another type.
    #[error("the SSH key {0} cannot be a recipient")]
    #[diagnostic(help(
        "use an ssh-ed25519 or ssh-rsa key of 2,048 bits or more, or an age recipient (age1…)"
    ))]
    Ssh(String),
    /// Not a public key at all.
    #[error("{0} is not a public key that age can encrypt to")]
    #[diagnostic(help("a recipient looks like age1… and is printed by `age-keygen -y KEYFILE`"))]
    Unreadable(String),
    /// A private key where a public one belongs. The text is not repeated.
    #[error("a private key stands where a public key belongs")]
    #[diagnostic(help(
        "write the public key (`age-keygen -y KEYFILE`), and replace the private one: it was in a public file"
    ))]
    Private,
}

impl RecipientError {
    fn unreadable(text: &str) -> Self {
        Self::Unreadable(format!("\"{}\"", shorten(text)))
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if is_private(text) {
            return Err(RecipientError::Private);
        }
        if text.to_ascii_lowercase().starts_with("age1pq1") {
            return Err(RecipientError::PostQuantum(shorten(text)));
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-") {
            // One spelling: without the comment.
            let key =
                ssh_key::PublicKey::from_openssh(text).map_err(|_| RecipientError::Ssh(shorten(text)))?;
            let key = ssh_key::PublicKey::from(key.key_data().clone()).to_openssh();
            let key = key.map_err(|_| RecipientError::Ssh(shorten(text)))?;
            let known: Result<age::ssh::Recipient, _> = key.parse();
            return known.map(|_| Self(key.into())).map_err(|_| RecipientError::Ssh(shorten(text)));
        }
        if let Ok(key) = text.parse::<age::x25519::Recipient>() {
            return Ok(Self(key.to_string().into()));
        }
        match plugin::of_recipient(text) {
            Some(_) => Ok(Self(text.to_ascii_lowercase().into())),
            None => Err(RecipientError::unreadable(text)),
        }
    }
}

/// Whether a text looks like a private key, or holds one.
#[must_use]
pub fn is_private(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY"].iter().any(|private| upper.contains(private))
}

/// Most keys that each thread remembers to have parsed.
const MOST_KNOWN: usize = 1_000;

thread_local! {
    /// The keys that were parsed before: a lock names few keys, each for ten thousand secrets.
    static KNOWN: RefCell<BTreeSet<Recipient>> = const { RefCell::new(BTreeSet::new()) };
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::known(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Recipient {
    /// As it is parsed, and remembered.
    pub(crate) fn known(text: &str) -> Result<Self, RecipientError> {
        // Only a key's own spelling is found, which is that key.
        if let Some(known) = KNOWN.with_borrow(|known| known.get(text).cloned()) {
            return Ok(known);
        }
        let parsed: Self = text.parse()?;
        KNOWN.with_borrow_mut(|known| {
            if known.len() == MOST_KNOWN {
                known.clear();
            }
            known.insert(parsed.clone());
        });
        Ok(parsed)
    }
}

impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Compared and ordered as its text is.
impl Borrow<str> for Recipient {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Recipient {
    type Error = RecipientError;

    fn try_from(text: String) -> Result<Self, RecipientError> {
        text.parse()
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.0.as_ref().to_owned()
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The beginning of a text from outside, fit for a message.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 24;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_default).collect();
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let identity = age::x25519::Identity::generate();
        let text = secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        let error = text.parse::<Recipient>().unwrap_err().to_string();
        assert!(!error.contains(&text[15..30]), "{error}");
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (text, word) in [
            ("age1pq1qqqqqqqq", "post-quantum"),
            ("ssh-ed25519 AAAA alice", "SSH"),
            (
                "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
                "SSH",
            ),
            ("alice", "not a public key"),
        ] {
            let error = text.parse::<Recipient>().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn round_trips() {
        let recipient = Recipient::from(&age::x25519::Identity::generate());
        assert_eq!(recipient.as_str().parse::<Recipient>().unwrap(), recipient);
    }
}
