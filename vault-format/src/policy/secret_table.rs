//! What `vaultgen` writes into the policy about a secret.

use toml_edit::{Array, Item, Table, value};

use super::{Expiry, Kind, Mode};
use crate::SecretName;

/// What a secret's table says beyond the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretTable {
    /// What the secret is.
    pub kind: Kind,
    /// For people.
    pub description: String,
    /// The secret that it is derived from.
    pub from: Option<SecretName>,
    /// The groups and machines that can decrypt it, where they are not the defaults'.
    pub audience: Vec<String>,
    /// The owner, where it is not the defaults'.
    pub owner: Option<String>,
    /// The group, where it has not the owner's name.
    pub group: Option<String>,
    /// The permission bits, where they are not the defaults'.
    pub mode: Option<Mode>,
    /// Whether everybody on a machine may read it (certificates): with mode 0444 where there is no
    /// [`Self::mode`].
    pub world_readable: bool,
    /// The systemd units whose processes may open it; empty for no such rule.
    pub services: Vec<String>,
    /// What is done to a unit when the value changed, such as `reload nginx.service`.
    pub on_change: Vec<String>,
    /// From then on it is of no use.
    pub expires: Option<Expiry>,
}

impl SecretTable {
    /// The table with all keys that have a value, in the order in which people read them.
    pub(super) fn to_toml(&self) -> Table {
        let text = |text: &String| (!text.is_empty()).then(|| value(text));
        let list = |list: &Vec<String>| (!list.is_empty()).then(|| value(Array::from_iter(list)));
        let group = self.group.as_ref().or(self.owner.as_ref());
        let mode = self.mode.map(|mode| mode.to_string());
        let mode = mode.or_else(|| self.world_readable.then(|| "0444".to_owned()));
        let entries: [(&str, Option<Item>); 11] = [
            ("kind", Some(value(self.kind.as_str()))),
            ("description", text(&self.description)),
            ("from", self.from.as_ref().map(|from| value(from.as_str()))),
            ("audience", list(&self.audience)),
            ("owner", self.owner.as_ref().map(value)),
            ("group", group.map(value)),
            ("mode", mode.map(value)),
            ("world-readable", self.world_readable.then(|| value(true))),
            ("services", list(&self.services)),
            ("on-change", list(&self.on_change)),
            ("expires", self.expires.as_ref().map(|expires| value(expires.date()))),
        ];
        let mut table = Table::new();
        for (key, item) in entries {
            if let Some(item) = item {
                table.insert(key, item);
            }
        }
        table
    }
}
