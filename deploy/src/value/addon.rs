//! Addons of Odoo: folders beside the node, and wheels of the package index.

use std::borrow::Cow;

use toml::{Spanned, de::DeValue};

use super::{NodePath, OptionValue, Wrong, quoted, text};

/// What the names of wheels for Odoo 14 begin with; its community publishes them so.
const PREFIX: &str = "odoo14-addon-";

/// Where an addon of Odoo comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addon {
    /// A folder that a node names: an addon, or several below it.
    Folder(NodePath),
    /// A wheel of exactly one version, as pip takes it: `odoo14-addon-web-responsive==14.0.1.2.1`.
    Wheel(String),
}

impl OptionValue for Addon {
    fn expected() -> Cow<'static, str> {
        "the path of a folder with addons, or a wheel with its version, such as \
         odoo14-addon-web-responsive==14.0.1.2.1"
            .into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        if !written.starts_with(PREFIX) {
            return match written.contains("==") {
                true => Err(wrong(written, "is no addon for Odoo 14: those begin with odoo14-addon-")),
                false => NodePath::read(value).map(Self::Folder),
            };
        }
        let Some((name, version)) = written.split_once("==") else {
            return Err(wrong(written, "has no version: another one could come tomorrow"));
        };
        match is_name(name) && is_version(version) {
            true => Ok(Self::Wheel(written.to_owned())),
            false => Err(wrong(written, "is no wheel with one version")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Folder(path) => path.show(),
            Self::Wheel(wheel) => quoted(wheel),
        }
    }
}

fn wrong(written: &str, why: &str) -> Wrong {
    Wrong::value::<Addon>(format!("`{}` {why}", written.escape_debug()))
}

/// A normalized name ("Package name normalization" of the Python Packaging User Guide).
fn is_name(name: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.split('-').all(is_part)
}

/// One version ("Version specifiers", there): no pattern, and nothing but the version.
fn is_version(version: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    version.starts_with(|c: char| c.is_ascii_digit()) && version.split('.').all(is_part)
}
