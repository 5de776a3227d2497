//! A rendered system: a tree of files, and beside it a manifest of what files cannot say.
//!
//! ```text
//! DIR/manifest.json    packages, users, groups, owners and modes, units, ports, databases, secrets
//! DIR/root/…           the files, at their paths
//! ```

mod derived;
mod difference;
mod draft;
mod manifest;
mod on_disk;

use std::collections::BTreeMap;

pub use self::{
    difference::{Change, Difference},
    manifest::Manifest,
    on_disk::TreeError,
};
use crate::{
    node::{Machine, Variant},
    system::{Content, System},
    value::AbsolutePath,
};

/// The file of a tree that says what the others cannot.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The folder of a tree with the files of the machine.
pub const ROOT_FOLDER: &str = "root";

/// A rendered system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// What is at each path of the machine.
    pub files: BTreeMap<AbsolutePath, Content>,
    /// Everything else.
    pub manifest: Manifest,
}

impl Tree {
    /// Renders a system: the same for the same system, to the byte.
    #[must_use]
    pub fn of(machine: &Machine, variant: Variant, system: &System) -> Self {
        let entries = derived::entries(system);
        let manifest = Manifest::of(machine, variant, system, &entries);
        let files = entries.into_iter().map(|(path, entry)| (path, entry.value.content)).collect();
        Self { files, manifest }
    }
}
