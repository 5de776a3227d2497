//! The types of keys for certificates, as the command line calls them.

use clap::ValueEnum;
use vault_format::certificate::KeyType;

/// What kind of key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KeyTypeName {
    /// ECDSA, the fastest; every client knows it
    #[default]
    P256,
    /// ECDSA with a longer key
    P384,
    /// For clients that know nothing else; takes seconds to make
    Rsa4096,
}

impl From<KeyTypeName> for KeyType {
    fn from(name: KeyTypeName) -> Self {
        match name {
            KeyTypeName::P256 => Self::P256,
            KeyTypeName::P384 => Self::P384,
            KeyTypeName::Rsa4096 => Self::Rsa4096,
        }
    }
}
