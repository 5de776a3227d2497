//! Changing `vault.toml` without losing its comments and order.

use std::collections::BTreeSet;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::SecretTable;
use crate::{Recipient, SecretName, signers::Signer};

/// The opening comment of a new policy.
const PREAMBLE: &str = "\
# The policy of this vault: who may decrypt each secret, and who may read it where it is served.
# After a change by hand run `vaultgen sign`; until then nothing accepts it.
";

/// A `vault.toml` being written or changed.
#[derive(Clone, Debug)]
pub struct PolicyEditor(DocumentMut);

impl PolicyEditor {
    /// A new policy: one group with its keys, one signer, and defaults for root only.
    #[must_use]
    pub fn new(group: &str, keys: &BTreeSet<Recipient>, signer: &Signer) -> Self {
        let mut document = DocumentMut::new();
        document.insert("version", value(1));
        if let Some(mut version) = document.key_mut("version") {
            version.leaf_decor_mut().set_prefix(format!("{PREAMBLE}\n"));
        }

        let mut person = InlineTable::new();
        person.insert("kind", "person".into());
        person.insert("keys", Array::from_iter(keys.iter().map(Recipient::as_str)).into());
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

    /// Puts an older policy in place of this one, but for the signers.
    ///
    /// # Errors
    ///
    /// If it is not TOML.
    pub fn restore(&mut self, text: &str) -> Result<(), toml_edit::TomlError> {
        let mut older: DocumentMut = text.parse()?;
        match self.0.get("signers") {
            Some(signers) => drop(older.insert("signers", signers.clone())),
            None => drop(older.remove("signers")),
        }
        self.0 = older;
        Ok(())
    }

    /// Whether a secret has a table of its own.
    #[must_use]
    pub fn has_secret(&self, name: &SecretName) -> bool {
        self.0.get("secret").and_then(|secrets| secrets.get(name.as_str())).is_some()
    }

    /// Writes the table of a secret. In one that is there already, what `table` says takes the place of
    /// what it said before; all else stays, and so do comments and places in the file.
    pub fn set_secret(&mut self, name: &SecretName, table: &SecretTable) {
        let secrets = self.0.entry("secret").or_insert_with(implicit_table);
        let Some(secrets) = secrets.as_table_like_mut() else { return };
        let Some(present) = secrets.get_mut(name.as_str()).and_then(Item::as_table_like_mut) else {
            secrets.insert(name.as_str(), Item::Table(table.to_toml()));
            return;
        };
        for (key, item) in table.to_toml() {
            set(present, &key, item);
        }
    }

    /// Takes the table of a secret out, if it has one.
    pub fn remove_secret(&mut self, name: &SecretName) {
        let secrets = self.0.get_mut("secret").and_then(Item::as_table_like_mut);
        if let Some(secrets) = secrets {
            secrets.remove(name.as_str());
        }
    }

    /// Adds a public key to a person, a group or a machine; a name that is new becomes a person.
    pub fn add_key(&mut self, group: &str, key: &Recipient) {
        if let Some(keys) = self.keys_of(group) {
            keys.push(key.as_str());
            return;
        }
        let mut person = InlineTable::new();
        person.insert("kind", "person".into());
        person.insert("keys", Array::from_iter([key.as_str()]).into());
        self.table("recipients").insert(group, value(person));
    }

    /// Gives a group of one person, as [`Self::new`] makes it, a recovery key: the keys so far become
    /// those of `person`, and the group has both.
    pub fn add_recovery(&mut self, group: &str, person: &str, recovery: &str, key: &Recipient) {
        let recipients = self.table("recipients");
        let Some(keys) = recipients.remove(group) else { return };
        recipients.insert(person, keys);
        recipients.insert(recovery, value(safe(key)));
        recipients.insert(group, value(Array::from_iter([person, recovery])));
    }

    /// Adds a recovery key under a new name, to the audience of the defaults and of every secret.
    pub fn add_recovery_everywhere(&mut self, recovery: &str, key: &Recipient) {
        self.table("recipients").insert(recovery, value(safe(key)));
        let name = |table: &mut dyn TableLike| {
            if let Some(audience) = table.get_mut("audience").and_then(Item::as_array_mut) {
                audience.push(recovery);
            }
        };
        for_each_table(self.0.get_mut("secret"), name);
        self.0.get_mut("defaults").and_then(Item::as_table_like_mut).map(name);
    }

    /// Removes a public key from a person, a group or a machine. Says whether it was there.
    pub fn remove_key(&mut self, group: &str, key: &Recipient) -> bool {
        let Some(keys) = self.keys_of(group) else { return false };
        let before = keys.len();
        keys.retain(|item| item.as_str() != Some(key.as_str()));
        keys.len() < before
    }

    /// Puts one public key in the place of another, wherever it stands.
    pub fn replace_key(&mut self, old: &Recipient, new: &Recipient) {
        let names: Vec<String> = ["recipients", "machines"]
            .iter()
            .filter_map(|table| self.0.get(table)?.as_table_like())
            .flat_map(|table| table.iter().map(|(name, _)| name.to_owned()))
            .collect();
        for name in names {
            let Some(keys) = self.keys_of(&name) else { continue };
            for item in keys.iter_mut().filter(|item| item.as_str() == Some(old.as_str())) {
                let decor = item.decor().clone();
                *item = Value::from(new.as_str());
                *item.decor_mut() = decor;
            }
        }
    }

    /// Adds a group to the audience of a secret, which has `present` so far.
    pub fn add_to_audience(&mut self, name: &SecretName, present: &[String], group: &str) {
        self.audience("secret", name, present).push(group);
    }

    /// Adds a template, whose owner and group are both `owner`; no audience for that of the defaults.
    pub fn add_template(&mut self, path: &SecretName, source: &SecretName, audience: &[String], owner: &str) {
        let mut table = Table::new();
        table.insert("source", value(source.as_str()));
        if !audience.is_empty() {
            table.insert("audience", value(Array::from_iter(audience)));
        }
        table.insert("owner", value(owner));
        table.insert("group", value(owner));
        let templates = self.0.entry("template").or_insert_with(implicit_table);
        if let Some(templates) = templates.as_table_like_mut() {
            templates.insert(path.as_str(), Item::Table(table));
        }
    }

    /// Adds a group to the audience of a template, which has `present` so far.
    pub fn add_to_template(&mut self, path: &SecretName, present: &[String], group: &str) {
        self.audience("template", path, present).push(group);
    }

    /// Removes a group from the audience of a secret, which has `present` so far. Says whether it
    /// was there.
    pub fn remove_from_audience(&mut self, name: &SecretName, present: &[String], group: &str) -> bool {
        let audience = self.audience("secret", name, present);
        let before = audience.len();
        audience.retain(|item| item.as_str() != Some(group));
        audience.len() < before
    }

    /// Adds a machine, in no audience yet.
    pub fn add_machine(&mut self, name: &str, key: &Recipient, profile: &str) {
        let mut machine = InlineTable::new();
        machine.insert("keys", Array::from_iter([key.as_str()]).into());
        machine.insert("profile", profile.into());
        self.table("machines").insert(name, value(machine));
    }

    /// Takes a machine out, also from every audience and group that names it.
    pub fn remove_machine(&mut self, name: &str) {
        self.table("machines").remove(name);
        let named = |item: &Value| item.as_str() == Some(name);
        for table in ["secret", "template"] {
            for_each_table(self.0.get_mut(table), |table| {
                retain(table.get_mut("audience"), |item| !named(item))
            });
        }
        retain(self.0.get_mut("defaults").and_then(|defaults| defaults.get_mut("audience")), |item| {
            !named(item)
        });
        let groups = self.0.get_mut("recipients").and_then(Item::as_table_like_mut);
        for (_, group) in groups.into_iter().flat_map(TableLike::iter_mut) {
            retain(Some(group), |item| !named(item));
        }
    }

    /// Names a signer, for people.
    pub fn set_signer(&mut self, signer: &Signer) {
        self.table("signers").insert(signer.principal(), value(key_text(signer)));
    }

    /// No longer names a signer.
    pub fn remove_signer(&mut self, principal: &str) {
        self.table("signers").remove(principal);
    }

    /// The list of keys, or of members, behind a name.
    fn keys_of(&mut self, name: &str) -> Option<&mut Array> {
        let table = ["recipients", "machines"].into_iter().find(|table| self.names(table, name))?;
        let item = self.0.get_mut(table)?.get_mut(name)?;
        if item.is_array() {
            return item.as_array_mut();
        }
        item.as_table_like_mut()?.get_mut("keys")?.as_array_mut()
    }

    fn names(&self, table: &str, name: &str) -> bool {
        self.0.get(table).and_then(|table| table.get(name)).is_some()
    }

    /// The audience of a secret's or template's own table, made from what holds so far where it has none.
    fn audience(&mut self, kind: &str, name: &SecretName, present: &[String]) -> &mut Array {
        let tables = self.0.entry(kind).or_insert_with(implicit_table);
        let table = &mut tables[name.as_str()];
        if table.is_none() {
            *table = Item::Table(Table::new());
        }
        let audience = &mut table["audience"];
        if !audience.is_array() {
            *audience = value(Array::from_iter(present));
        }
        // Just made an array, where it was none.
        audience.as_array_mut().expect("an array")
    }

    fn table(&mut self, name: &str) -> &mut dyn TableLike {
        let item = self.0.entry(name).or_insert_with(|| Item::Table(Table::new()));
        if !item.is_table_like() {
            *item = Item::Table(Table::new());
        }
        // Just made a table, where it was none.
        item.as_table_like_mut().expect("a table")
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

/// Sets a key, and keeps the comment behind the value that it had.
fn set(table: &mut dyn TableLike, key: &str, mut item: Item) {
    match table.get_mut(key) {
        Some(present) => {
            if let (Some(old), Some(new)) = (present.as_value(), item.as_value_mut()) {
                *new.decor_mut() = old.decor().clone();
            }
            *present = item;
        }
        None => drop(table.insert(key, item)),
    }
}

/// What the policy says of a recovery key.
fn safe(key: &Recipient) -> InlineTable {
    let mut safe = InlineTable::new();
    safe.insert("kind", "recovery".into());
    safe.insert("keys", Array::from_iter([key.as_str()]).into());
    safe
}

fn key_text(signer: &Signer) -> String {
    signer.key().to_openssh().unwrap_or_default()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Item {
    Item::Table(entries.into_iter().collect())
}

fn for_each_table(tables: Option<&mut Item>, mut act: impl FnMut(&mut dyn TableLike)) {
    let tables = tables.and_then(Item::as_table_like_mut);
    for (_, item) in tables.into_iter().flat_map(TableLike::iter_mut) {
        if let Some(table) = item.as_table_like_mut() {
            act(table);
        }
    }
}

/// Keeps some of the items, if this is an array.
fn retain(array: Option<&mut Item>, keep: impl FnMut(&Value) -> bool) {
    if let Some(array) = array.and_then(Item::as_array_mut) {
        array.retain(keep);
    }
}

/// `[secret]` itself is not written, only `[secret."NAME"]`.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}
