//! The shape of `vault.toml`: its tables and keys, with their places, before any meaning.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer},
};
use toml::{Spanned, value::Datetime};

use super::Kind;

type Table<T> = BTreeMap<Spanned<String>, T>;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub version: Spanned<u32>,
    #[serde(default)]
    pub recipients: Table<Group>,
    #[serde(default)]
    pub machines: Table<Machine>,
    #[serde(default)]
    pub signers: Table<Spanned<String>>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub secret: Table<Secret>,
    #[serde(default)]
    pub view: Table<View>,
    #[serde(default)]
    pub template: Table<Template>,
}

/// A group is a list of members, or a table with keys.
#[derive(Debug, PartialEq)]
pub(super) enum Group {
    Members(Vec<Spanned<String>>),
    Keys(Keys),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default)]
    pub kind: KeysKind,
    pub keys: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeysKind {
    #[default]
    Person,
    Recovery,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    pub keys: Vec<Spanned<String>>,
    pub profile: Option<String>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Defaults {
    pub audience: Option<Vec<Spanned<String>>>,
    pub owner: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub mode: Option<Spanned<String>>,
    #[serde(default)]
    pub world_readable: bool,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Secret {
    #[serde(default)]
    pub kind: Kind,
    pub description: Option<String>,
    pub from: Option<Spanned<String>>,
    pub audience: Option<Vec<Spanned<String>>>,
    pub owner: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub mode: Option<Spanned<String>>,
    #[serde(default)]
    pub world_readable: bool,
    pub services: Option<Vec<Spanned<String>>>,
    pub on_change: Option<Vec<Spanned<String>>>,
    pub rotate_after: Option<Spanned<String>>,
    pub rotate_at: Option<String>,
    pub expires: Option<Spanned<Datetime>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct View {
    pub of: Spanned<String>,
    pub owner: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub mode: Option<Spanned<String>>,
    #[serde(default)]
    pub world_readable: bool,
    pub services: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Template {
    pub source: Spanned<String>,
    pub audience: Option<Vec<Spanned<String>>>,
    pub owner: Option<Spanned<String>>,
    pub group: Option<Spanned<String>>,
    pub mode: Option<Spanned<String>>,
    #[serde(default)]
    pub world_readable: bool,
    pub services: Option<Vec<Spanned<String>>>,
}

/// By hand, since an untagged enum would say only that no variant fits.
impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GroupVisitor)
    }
}

struct GroupVisitor;

impl<'de> Visitor<'de> for GroupVisitor {
    type Value = Group;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members, or a table { kind, keys }")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, members: A) -> Result<Group, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(members)).map(Group::Members)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Group, A::Error> {
        Keys::deserialize(MapAccessDeserializer::new(table)).map(Group::Keys)
    }
}
