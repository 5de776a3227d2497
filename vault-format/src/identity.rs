//! Identities: private keys that decrypt.

use std::{collections::BTreeSet, fmt};

use age::{DecryptError, secrecy::ExposeSecret};
use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Plaintext, Recipient, Timestamp,
    cipher::{self, CipherError},
    passphrase::AskPassphrase,
    plugin::{FileKey, PluginError, PluginIdentity, Stanza},
    ssh::{SshError, SshKey},
    x25519::X25519Key,
};

/// How an age file starts that is armoured as text.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// What stands before the public key of the identity below, in a comment: as `age-keygen` writes it, and
/// as plugins do.
const PUBLIC_KEY_COMMENTS: [&str; 2] = ["public key:", "recipient:"];

/// The private keys at hand, with the public key of each. Of a plugin's identity it is known only if a
/// comment in the key file says it.
pub struct Identities(Vec<(Option<Recipient>, PrivateKey)>);

enum PrivateKey {
    X25519(X25519Key),
    Ssh(age::ssh::Identity),
    Plugin(PluginIdentity),
}

impl PrivateKey {
    fn as_age(&self) -> &dyn age::Identity {
        match self {
            Self::X25519(key) => key,
            Self::Ssh(key) => key,
            Self::Plugin(key) => key,
        }
    }

    fn is_of_plugin(&self) -> bool {
        matches!(self, Self::Plugin(_))
    }
}

impl Identities {
    /// No identity: opens nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Makes a new X25519 identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(Self::x25519(age::x25519::Identity::generate()).into_iter().collect())
    }

    /// Reads an identity file: what `age-keygen` and age plugins write (one `AGE-SECRET-KEY-1…` or
    /// `AGE-PLUGIN-NAME-1…` a line, with empty lines and comments between), the same encrypted to a
    /// passphrase with `age -p`, or an OpenSSH private key (ed25519 or RSA), with or without a passphrase.
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
        let mut said = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                said = public_key(comment).or(said);
            } else if let Ok(key) = line.parse() {
                // What was said was said of this one.
                said = None;
                keys.push(Self::x25519(key).ok_or(IdentityError::Line(index + 1))?);
            } else if let Some(key) = PluginIdentity::parse(line)? {
                keys.push((said.take(), PrivateKey::Plugin(key)));
            } else if !line.is_empty() {
                return Err(IdentityError::Line(index + 1));
            }
        }
        if keys.is_empty() { Err(IdentityError::Empty) } else { Ok(Self(keys)) }
    }

    fn x25519(key: age::x25519::Identity) -> Option<(Option<Recipient>, PrivateKey)> {
        Some((Some(Recipient::from(&key)), PrivateKey::X25519(X25519Key::new(key)?)))
    }

    fn ssh(text: &Plaintext, passphrases: &dyn AskPassphrase) -> Result<Self, IdentityError> {
        let open = SshKey::parse(text, passphrases)?;
        let recipient = open.public_line()?.parse().map_err(|_| IdentityError::KeyType)?;
        let file = open.to_file()?;
        let key = age::ssh::Identity::from_buffer(file.expose(), None).map_err(|_| IdentityError::KeyType)?;
        match key {
            age::ssh::Identity::Unencrypted(_) => Ok(Self(vec![(Some(recipient), PrivateKey::Ssh(key))])),
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
            let (Some(recipient), PrivateKey::X25519(identity)) = (recipient, key) else { continue };
            for part in ["# created: ", &created.to_string(), "\n# public key: ", recipient.as_str(), "\n"] {
                text.push_str(part);
            }
            text.push_str(identity.text().expose_secret());
            text.push('\n');
        }
        Plaintext::from(text)
    }

    /// Adds the keys of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The public keys of these identities, as far as they are known.
    #[must_use]
    pub fn recipients(&self) -> BTreeSet<Recipient> {
        self.0.iter().filter_map(|(recipient, _)| recipient.clone()).collect()
    }

    /// Whether the public key of each is known.
    #[must_use]
    pub fn know_their_recipients(&self) -> bool {
        self.0.iter().all(|(recipient, _)| recipient.is_some())
    }

    /// The first that `try_key` has an answer for; of plugins, who fail for many reasons, the first that
    /// does not fail. Nobody is asked for a PIN in vain: plugins come last.
    fn first(
        &self,
        try_key: impl Fn(&dyn age::Identity) -> Option<Result<FileKey, DecryptError>>,
    ) -> Option<Result<FileKey, DecryptError>> {
        let (plugins, native): (Vec<_>, Vec<_>) =
            self.0.iter().map(|(_, key)| key).partition(|key| key.is_of_plugin());
        if let Some(opened) = native.into_iter().find_map(|key| try_key(key.as_age())) {
            return Some(opened);
        }
        let mut failed = None;
        for key in plugins {
            match try_key(key.as_age()) {
                Some(Err(error)) => drop(failed.get_or_insert(Err(error))),
                Some(Ok(key)) => return Some(Ok(key)),
                None => {}
            }
        }
        failed
    }
}

impl age::Identity for Identities {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.first(|key| key.unwrap_stanza(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        self.first(|key| key.unwrap_stanzas(stanzas))
    }
}

/// The public key that a comment says.
fn public_key(comment: &str) -> Option<Recipient> {
    let comment = comment.trim_start();
    let after = PUBLIC_KEY_COMMENTS.iter().find_map(|word| {
        let (start, rest) = comment.split_at_checked(word.len())?;
        start.eq_ignore_ascii_case(word).then_some(rest)
    });
    after?.trim().parse().ok()
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
    /// Of a plugin, and none can be started.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plugin(#[from] PluginError),
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

    #[test]
    fn a_comment_may_say_the_public_key() {
        let key = "age1foo1qqqqqqqq7h0uur";
        for comment in [" public key: ", "recipient:", "    Recipient:  ", " PUBLIC KEY:"] {
            let said = public_key(&format!("{comment}{key}"));
            assert_eq!(said.as_ref().map(Recipient::as_str), Some(key), "{comment:?}");
        }
        for other in ["", " created: 2026", &format!(" {key}"), " recipient: alice", " public kéy: x"] {
            assert!(public_key(other).is_none(), "{other}");
        }
    }
}
