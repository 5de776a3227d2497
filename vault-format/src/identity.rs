//! Identities: private keys that decrypt.

use std::{collections::BTreeSet, fmt};

use age::secrecy::ExposeSecret;
use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Plaintext, Recipient, Timestamp,
    cipher::{self, CipherError},
    passphrase::AskPassphrase,
    ssh::{SshError, SshKey},
};

/// How an age file starts that is armoured as text.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The private keys at hand, with the public key of each.
pub struct Identities(Vec<(Recipient, PrivateKey)>);

enum PrivateKey {
    X25519(age::x25519::Identity),
    Ssh(age::ssh::Identity),
}

impl Identities {
    /// No identity: opens nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Makes a new X25519 identity.
    #[must_use]
    pub fn generate() -> Self {
        Self::x25519([age::x25519::Identity::generate()])
    }

    /// Reads an identity file: what `age-keygen` writes (one `AGE-SECRET-KEY-1…` a line, with empty
    /// lines and comments between), the same encrypted to a passphrase with `age -p`, or an
    /// OpenSSH private key (ed25519 or RSA), with or without a passphrase.
    ///
    /// # Errors
    ///
    /// If it is none of these, or the passphrase is wrong or cannot be asked for. A faulty line is
    /// named by its number, never shown.
    pub fn parse(text: &Plaintext, passphrases: &dyn AskPassphrase) -> Result<Self, IdentityError> {
        let bytes = text.expose();
        if bytes.starts_with(b"-----BEGIN ") && !bytes.starts_with(ARMOR) {
            return Self::ssh(text, passphrases);
        }
        if bytes.starts_with(ARMOR) || bytes.starts_with(cipher::VERSION_LINE) {
            let passphrase = passphrases.passphrase("the identity file").ok_or(IdentityError::NobodyToAsk)?;
            return Self::lines(&cipher::decrypt_with_passphrase(bytes, passphrase)?);
        }
        Self::lines(text)
    }

    fn lines(text: &Plaintext) -> Result<Self, IdentityError> {
        let text = text.expose_str().ok_or(IdentityError::NotText)?;
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                keys.push(line.parse().map_err(|_| IdentityError::Line(index + 1))?);
            }
        }
        if keys.is_empty() {
            return Err(IdentityError::Empty);
        }
        Ok(Self::x25519(keys))
    }

    fn x25519(keys: impl IntoIterator<Item = age::x25519::Identity>) -> Self {
        let key = |key| (Recipient::from(&key), PrivateKey::X25519(key));
        Self(keys.into_iter().map(key).collect())
    }

    fn ssh(text: &Plaintext, passphrases: &dyn AskPassphrase) -> Result<Self, IdentityError> {
        let open = SshKey::parse(text, passphrases)?;
        let recipient = open.public_line()?.parse().map_err(|_| IdentityError::KeyType)?;
        let file = open.to_file()?;
        let key = age::ssh::Identity::from_buffer(file.expose(), None).map_err(|_| IdentityError::KeyType)?;
        match key {
            age::ssh::Identity::Unencrypted(_) => Ok(Self(vec![(recipient, PrivateKey::Ssh(key))])),
            _ => Err(IdentityError::KeyType),
        }
    }

    /// The file of the X25519 keys that `age` and `rage` read, with the public key as a comment, in the form of
    /// `age-keygen`.
    #[must_use]
    pub fn to_file(&self, created: Timestamp) -> Plaintext {
        let size: usize = self.0.len() * 256;
        let mut text = zeroize::Zeroizing::new(String::with_capacity(size));
        for (recipient, key) in &self.0 {
            let PrivateKey::X25519(identity) = key else { continue };
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
        self.0.iter().map(|(_, key)| match key {
            PrivateKey::X25519(key) => key as &dyn age::Identity,
            PrivateKey::Ssh(key) => key as &dyn age::Identity,
        })
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
    /// Protected, and nobody can be asked.
    #[error("it is protected by a passphrase, and there is nobody to ask")]
    #[diagnostic(help("run it in a terminal; a machine needs an identity without a passphrase"))]
    NobodyToAsk,
    /// The passphrase does not fit, or the file is damaged.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Protected(#[from] CipherError),
    /// Not an SSH key that can be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ssh(#[from] SshError),
    /// An SSH key that age cannot use.
    #[error("an SSH key of this type cannot decrypt")]
    #[diagnostic(help("use an ed25519 or RSA key, or an age identity (`age-keygen`)"))]
    KeyType,
    /// No key.
    #[error("it holds no key")]
    #[diagnostic(help("restore the file from its backup, or make a new one with `age-keygen`"))]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passphrase::Nobody;

    /// Answers every question with one passphrase.
    struct Answer(&'static str);

    impl AskPassphrase for Answer {
        fn passphrase(&self, _: &str) -> Option<age::secrecy::SecretString> {
            Some(self.0.to_owned().into())
        }
    }

    #[test]
    fn an_ssh_key_decrypts_with_and_without_a_passphrase() {
        let key = SshKey::generate("").unwrap();
        let recipient: Recipient = key.public_line().unwrap().parse().unwrap();
        let file = cipher::encrypt(&Plaintext::from("x".to_owned()), [&recipient]).unwrap();
        let open = Identities::parse(&key.to_file().unwrap(), &Nobody).unwrap();
        assert_eq!(open.recipients().first(), Some(&recipient));
        assert_eq!(cipher::decrypt(&file, &open).unwrap().expose(), b"x");

        let protected = key.to_protected_file("secret").unwrap();
        let open = Identities::parse(&protected, &Answer("secret")).unwrap();
        assert_eq!(cipher::decrypt(&file, &open).unwrap().expose(), b"x");
        assert!(Identities::parse(&protected, &Answer("wrong")).is_err());
        assert!(Identities::parse(&protected, &Nobody).is_err());
    }

    #[test]
    fn an_identity_file_encrypted_to_a_passphrase_is_opened() {
        let made = Identities::generate();
        let plain = made.to_file(Timestamp::now());
        let file =
            Plaintext::from(cipher::encrypt_with_passphrase(&plain, "secret".to_owned().into()).unwrap());
        let read = Identities::parse(&file, &Answer("secret")).unwrap();
        assert_eq!(read.recipients(), made.recipients());
        assert!(Identities::parse(&file, &Answer("wrong")).is_err());
        assert!(matches!(Identities::parse(&file, &Nobody), Err(IdentityError::NobodyToAsk)));
    }

    #[test]
    fn a_written_file_reads_back_with_the_same_public_key() {
        let made = Identities::generate();
        let read = Identities::parse(&made.to_file(Timestamp::now()), &Nobody).unwrap();
        assert_eq!(made.recipients(), read.recipients());
    }

    #[test]
    fn errors_name_the_line_and_show_nothing_of_it() {
        let text = Plaintext::from("# comment\n\nAGE-SECRET-KEY-1BROKEN\n".to_owned());
        let error = Identities::parse(&text, &Nobody).unwrap_err().to_string();
        assert_eq!(error, "line 3 is no age identity");
        assert!(matches!(
            Identities::parse(&Plaintext::from("# only a comment\n".to_owned()), &Nobody),
            Err(IdentityError::Empty)
        ));
        assert!(matches!(
            Identities::parse(&Plaintext::from(vec![0xff, 0xfe]), &Nobody),
            Err(IdentityError::NotText)
        ));
    }
}
