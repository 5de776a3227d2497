//! What a vault lacks of the standard secrets.

use vault_format::{
    SecretName,
    password::HashScheme,
    standard::{CA, LOCALHOST, PASSWORDS, SSH_IDENTITY},
};

/// What the vault lacks of the standard secrets.
#[derive(Debug, Default)]
pub struct Missing {
    pub passwords: Vec<&'static str>,
    /// Hashes of passwords that are there.
    pub hashes: Vec<(&'static str, HashScheme)>,
    pub ca: bool,
    pub localhost: bool,
    pub ssh: bool,
}

impl Missing {
    /// What is missing where the secrets are there that `has` knows, and of these the passwords are the
    /// ones that `is_password` knows: only of a password can a hash be made.
    pub fn from(has: impl Fn(&SecretName) -> bool, is_password: impl Fn(&SecretName) -> bool) -> Self {
        let name = |text: String| text.parse::<SecretName>().ok();
        let lacks = |text: String| name(text).is_none_or(|name| !has(&name));
        let lacks_pair =
            |name| lacks(format!("certs/{name}-cert.pem")) || lacks(format!("certs/{name}-key.pem"));
        let text = |password: &str| format!("passwords/{password}.txt");
        let (passwords, present): (Vec<_>, Vec<_>) =
            PASSWORDS.into_iter().partition(|password| lacks(text(password)));
        let lacks_hash = |password: &str, scheme: HashScheme| {
            name(text(password)).is_some_and(|name| is_password(&name))
                && lacks(format!("passwords/{password}.{}", scheme.suffix()))
        };
        let schemes = [HashScheme::Sha512, HashScheme::Yescrypt];
        let hashes = present.into_iter().flat_map(|password| schemes.map(|scheme| (password, scheme)));
        Self {
            passwords,
            hashes: hashes.filter(|(password, scheme)| lacks_hash(password, *scheme)).collect(),
            ca: lacks_pair(CA),
            localhost: lacks_pair(LOCALHOST),
            ssh: lacks(SSH_IDENTITY.to_owned()),
        }
    }

    /// Whether all is there.
    pub fn is_nothing(&self) -> bool {
        let nothing = self.passwords.is_empty() && self.hashes.is_empty();
        nothing && !self.ca && !self.localhost && !self.ssh
    }
}
