//! Free text, mail addresses, public keys.

use std::{borrow::Cow, fmt};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong, quoted, text};

/// Free text of one line. What is written with it quotes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OptionValue for Text {
    fn expected() -> Cow<'static, str> {
        "text of one line".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        match written {
            "" => Err(Wrong::value::<Self>("an empty text")),
            _ if written.chars().any(char::is_control) => {
                Err(Wrong::value::<Self>("a text with a line break or another control character"))
            }
            _ => Ok(Self(written.to_owned())),
        }
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// A mail address: one `@`, a domain, and before it what RFC 5321 takes without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// An address of our own, which is known to be one.
    #[must_use]
    pub fn known(address: &'static str) -> Self {
        debug_assert!(Self::is_one(address));
        Self(address.to_owned())
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_one(address: &str) -> bool {
        let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.chars().all(atom)
                && !local.split('.').any(str::is_empty)
                && super::Domain::new(domain).is_ok()
        })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OptionValue for Email {
    fn expected() -> Cow<'static, str> {
        "a mail address, such as admin@example.org".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        match Self::is_one(written) {
            true => Ok(Self(written.to_owned())),
            false => Err(Wrong::value::<Self>(format!("`{}` is no mail address", written.escape_debug()))),
        }
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// A URL of a service (RFC 3986): `https`, a domain, perhaps a port, and a plain path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl(String);

impl HttpsUrl {
    /// Checks a URL.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn new(url: &str) -> Result<Self, &'static str> {
        let rest = url.strip_prefix("https://").ok_or("does not begin with https://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (domain, port) =
            authority.split_once(':').map_or((authority, None), |(domain, port)| (domain, Some(port)));
        super::Domain::new(domain)?;
        if port.is_some_and(|port| !is_port(port)) {
            return Err("has a port that is none");
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        match path.chars().all(is_plain) {
            true => Ok(Self(url.to_owned())),
            false => Err("has a path with characters other than letters, digits and - . _ ~ /"),
        }
    }

    /// A URL of our own, which is known to be one.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn known(url: &str) -> Self {
        Self::new(url).expect("a URL that we wrote is sound")
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain and the port, if it has one.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split('/').nth(2).unwrap_or_default()
    }
}

impl OptionValue for HttpsUrl {
    fn expected() -> Cow<'static, str> {
        "a URL that begins with https://, such as \"https://acme.example.org/directory\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        Self::new(written).map_err(|why| Wrong::value::<Self>(format!("`{}` {why}", written.escape_debug())))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

fn is_port(port: &str) -> bool {
    port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A line of an `authorized_keys` file (sshd(8)) without options: a public key and its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey(String);

impl SshKey {
    /// Checks the text of a public key, as in a `.pub` file.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn new(key: &str) -> Result<Self, &'static str> {
        let key = key.trim_end();
        if key.starts_with("-----BEGIN") {
            return Err("is a private key: give the public half, which ends in .pub");
        }
        match ssh_key::PublicKey::from_openssh(key) {
            Ok(_) if key.chars().any(char::is_control) => Err("has a line break"),
            Ok(_) => Ok(Self(key.to_owned())),
            Err(_) => Err("is no public key of OpenSSH"),
        }
    }

    /// The key as one line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
