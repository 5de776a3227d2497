//! Passphrases of private keys: asked for by whoever has a terminal.

use age::secrecy::SecretString;

/// Somebody who can be asked for the passphrase of a key file.
pub trait AskPassphrase {
    /// The passphrase for `what`, or nothing where nobody can be asked.
    fn passphrase(&self, what: &str) -> Option<SecretString>;
}

/// Nobody to ask: a key with a passphrase cannot be used.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl AskPassphrase for Nobody {
    fn passphrase(&self, _: &str) -> Option<SecretString> {
        None
    }
}
