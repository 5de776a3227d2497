//! The public key of a machine: its own, or that of an identity which we make for it.

use std::{fs, path::PathBuf};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{Change, Identities, Recipient, SecretName, Timestamp, recipient::RecipientError, ssh};

use super::ask::{self, AskError, Host};
use crate::{cli::Common, commands};

/// Where the machine's public key comes from. Without any of these a new identity is made.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct KeySource {
    /// Its public key, age1…, as the machine printed it
    #[arg(long, value_name = "KEY")]
    recipient: Option<Recipient>,
    /// Its SSH host key, such as /etc/ssh/ssh_host_ed25519_key.pub of the machine
    #[arg(long, value_name = "FILE")]
    ssh_host_key: Option<PathBuf>,
    /// Ask the machine for its SSH host key, logging in with your ssh
    #[arg(long, value_name = "HOST")]
    ssh: Option<Host>,
}

impl KeySource {
    /// Whether any key is named.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.recipient.is_some() || self.ssh_host_key.is_some() || self.ssh.is_some()
    }
}

/// The key of a machine: its own public key, or an identity that we make for it.
pub enum MachineKey {
    Its(Recipient),
    Ours { recipient: Recipient, identity: Identities, file: String },
}

impl MachineKey {
    /// The key that the source says, for the machine called `name`.
    ///
    /// # Errors
    ///
    /// If it cannot be had, or is no key that can be encrypted to.
    pub fn of(name: &str, source: &KeySource, common: &Common) -> Result<Self, KeyError> {
        if let Some(recipient) = &source.recipient {
            return Ok(Self::its(recipient.clone()));
        }
        let (from, text) = if let Some(path) = &source.ssh_host_key {
            let text =
                fs::read_to_string(path).map_err(|error| KeyError::Read { path: path.clone(), error })?;
            (path.display().to_string(), text)
        } else if let Some(host) = &source.ssh {
            (name.to_owned(), ask::for_host_key(host, common.batch)?)
        } else {
            return Self::new_identity(name);
        };
        let key = host_key(&text).map_err(|error| KeyError::HostKey { from, error })?;
        if let Ok(public_key) = ssh::parse_public_key(key.as_str()) {
            let fingerprint = ssh::fingerprint(&public_key);
            let key_type = key.stanza_type().unwrap_or_default();
            commands::say(common.quiet, &format!("host key of {name}: {key_type} {fingerprint}"));
        }
        Ok(Self::its(key))
    }

    fn its(recipient: Recipient) -> Self {
        commands::warn_of_cost(&recipient);
        if recipient.is_of_plugin() {
            commands::warn(
                "vaultd starts no age plugins: it cannot serve the machine what only this key opens",
            );
        }
        Self::Its(recipient)
    }

    fn new_identity(name: &str) -> Result<Self, KeyError> {
        // The name becomes a file's: it must be one part of a path, as a secret's name has them.
        let file = format!("machines/{name}.key");
        let bad_name = || KeyError::Name(name.escape_default().to_string());
        if name.contains('/') || file.parse::<SecretName>().is_err() {
            return Err(bad_name());
        }
        let identity = Identities::generate();
        let recipient = identity.recipients().pop_first().ok_or_else(bad_name)?;
        Ok(Self::Ours { recipient, identity, file })
    }

    /// The public key.
    pub fn recipient(&self) -> &Recipient {
        match self {
            Self::Its(recipient) | Self::Ours { recipient, .. } => recipient,
        }
    }

    /// An identity that we made goes into a file that Git ignores.
    pub fn put_file(&self, change: &mut Change) {
        if let Self::Ours { identity, file, .. } = self {
            change.put_private_file(file, identity.to_file(Timestamp::now()));
        }
    }

    /// Says where the identity belongs that we made.
    pub fn say_what_to_do(&self, name: &str, common: &Common) {
        if let Self::Ours { file, .. } = self {
            let path = common.vault.join(file);
            let note = format!("move {} to /etc/age.key of {name}, mode 0400, owned by root", path.display());
            commands::say(common.quiet, &note);
        }
    }
}

/// Exactly one SSH host key, on one line.
fn host_key(text: &str) -> Result<Recipient, HostKeyError> {
    let line = text.trim_end_matches(['\n', '\r']);
    if line.contains(char::is_control) || !line.starts_with("ssh-") {
        return Err(HostKeyError::NotOneKey);
    }
    line.parse().map_err(HostKeyError::Key)
}

/// Why a text is no host key.
#[derive(Debug, Error, Diagnostic)]
pub enum HostKeyError {
    #[error("that is not one SSH public key and nothing else")]
    #[diagnostic(help("it is one line such as ssh-ed25519 AAAA… COMMENT"))]
    NotOneKey,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Key(RecipientError),
}

/// Why a machine has no key.
#[derive(Debug, Error, Diagnostic)]
pub enum KeyError {
    #[error("\"{0}\" cannot be the name of a machine")]
    #[diagnostic(help("use ASCII letters, digits and . _ -, such as web-1"))]
    Name(String),
    #[error("{path}")]
    #[diagnostic(help("name the public half, such as ssh_host_ed25519_key.pub, copied from the machine"))]
    Read {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("the host key of {from}: {error}")]
    HostKey {
        from: String,
        #[diagnostic_source]
        error: HostKeyError,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ask(#[from] AskError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMSprLK/pOs6ZZc+ri1O1DfWvVkB6IWfCQ0dKpL9MUQp root@web-1";

    #[test]
    fn a_host_key_is_one_line_and_nothing_else() {
        for text in [KEY.to_owned(), format!("{KEY}\n"), format!("{KEY}\r\n")] {
            assert_eq!(host_key(&text).unwrap().stanza_type(), Some("ssh-ed25519"), "{text:?}");
        }
        for text in [
            String::new(),
            "\n".to_owned(),
            format!("welcome\n{KEY}\n"),
            format!("{KEY}\n{KEY}\n"),
            format!("{KEY}\u{1b}[2J"),
            format!("# {KEY}"),
            "ssh-ed25519 AAAA".to_owned(),
            "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2".to_owned(),
        ] {
            assert!(host_key(&text).is_err(), "{text:?} was taken");
        }
    }
}
