//! Changing `vault.toml` without losing its comments and order.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use super::Kind;
use crate::{Recipient, SecretName, signers::Signer};

/// The opening comment of a new policy.
const PREAMBLE: &str = "\
# The policy of this vault: who may decrypt each secret, and who may read it where it is served.
# After a change by hand run `vaultgen sign`; until then nothing accepts it.
";

/// What a new secret's table says beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretTable {
    /// What the secret is.
    pub kind: Kind,
    /// For people.
    pub description: String,
    /// The secret that it is derived from.
    pub from: Option<SecretName>,
    /// Owner and group, where they are not the defaults'.
    pub owner: Option<String>,
    /// Whether everybody on a machine may read it (certificates).
    pub world_readable: bool,
}

/// A `vault.toml` being written or changed.
#[derive(Clone, Debug)]
pub struct PolicyEditor(DocumentMut);

impl PolicyEditor {
    /// A new policy: one group with one key, one signer, and defaults for root only.
    #[must_use]
    pub fn new(group: &str, key: &Recipient, signer: &Signer) -> Self {
        let mut document = DocumentMut::new();
        document.insert("version", value(1));
        if let Some(mut version) = document.key_mut("version") {
            version.leaf_decor_mut().set_prefix(format!("{PREAMBLE}\n"));
        }

        let mut person = InlineTable::new();
        person.insert("kind", "person".into());
        person.insert("keys", Array::from_iter([key.as_str()]).into());
        document.insert("recipients", table([(group, Value::from(person))]));
        document.insert("signers", table([(signer.principal(), Value::from(key_text(signer)))]));
        document.insert(
            "defaults",
            table([
                ("audience", Value::from(Array::from_iter([group]))),
                ("owner", "root".into()),
                ("group", "root".into()),
                ("mode", "0400".into()),
            ]),
        );
        Self(document)
    }

    /// The editor of a policy's text.
    ///
    /// # Errors
    ///
    /// If it is not TOML; a text that [`super::Policy::parse`] takes always is.
    pub fn of(text: &str) -> Result<Self, toml_edit::TomlError> {
        text.parse().map(Self)
    }

    /// Whether a secret has a table of its own.
    #[must_use]
    pub fn has_secret(&self, name: &SecretName) -> bool {
        self.0.get("secret").and_then(|secrets| secrets.get(name.as_str())).is_some()
    }

    /// Writes the table of a secret, in place of the one it may have.
    pub fn set_secret(&mut self, name: &SecretName, table: &SecretTable) {
        let secrets = self.0.entry("secret").or_insert_with(implicit_table);
        if let Some(secrets) = secrets.as_table_like_mut() {
            secrets.insert(name.as_str(), Item::Table(table.to_toml()));
        }
    }

    /// Takes the table of a secret out, if it has one.
    pub fn remove_secret(&mut self, name: &SecretName) {
        let secrets = self.0.get_mut("secret").and_then(Item::as_table_like_mut);
        if let Some(secrets) = secrets {
            secrets.remove(name.as_str());
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

impl SecretTable {
    fn to_toml(&self) -> Table {
        let mut table = Table::new();
        table.insert("kind", value(kind_text(self.kind)));
        if !self.description.is_empty() {
            table.insert("description", value(&self.description));
        }
        if let Some(from) = &self.from {
            table.insert("from", value(from.as_str()));
        }
        if let Some(owner) = &self.owner {
            table.insert("owner", value(owner));
            table.insert("group", value(owner));
        }
        if self.world_readable {
            table.insert("mode", value("0444"));
            table.insert("world-readable", value(true));
        }
        table
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Password => "password",
        Kind::PasswordHash => "password-hash",
        Kind::Certificate => "certificate",
        Kind::PrivateKey => "private-key",
        Kind::SshKey => "ssh-key",
        Kind::Opaque => "opaque",
    }
}

fn key_text(signer: &Signer) -> String {
    signer.key().to_openssh().unwrap_or_default()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Item {
    Item::Table(entries.into_iter().collect())
}

/// `[secret]` itself is not written, only `[secret."NAME"]`.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}
