//! The modules: each turns its options into contributions to a [`System`].
//!
//! A module is one file or folder here, and a line in [`MODULES`]. It knows no other module: what another one needs
//! to know of it, it says in [`Module::offer`]. It does no IO. `swap_file.rs` is the one to read first;
//! `docs/modules.md` tells how to add one.

mod backup;
mod base;
pub mod ids;
mod local_ca;
mod login;
mod offers;
#[cfg(test)]
pub(crate) mod sample;
mod server;
mod service_stack;
mod swap_file;
mod vault;
mod wiring;

pub use offers::{AcmeServer, OdooData, Offers};

use crate::{
    addons::Addons,
    formats::Unwritable,
    node::{Described, Machine, Node, NodeFile, Options, Variant, describe},
    problem::Problems,
    system::{Contributor, File, System},
    value::AbsolutePath,
    vault::NodeVault,
};

/// What a module may know when it contributes.
pub struct World<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Which of the two systems of the node.
    pub variant: Variant,
    /// The vault that it serves, if it has one.
    pub vault: Option<&'a NodeVault>,
    /// The addons of Odoo that the node has beside it.
    pub addons: &'a Addons,
    /// What the modules of the node told each other.
    pub offers: &'a Offers,
}

impl World<'_> {
    /// Whether there is a vault that has this secret.
    #[must_use]
    pub fn has_secret(&self, name: &str) -> bool {
        let secrets = self.vault.map(|vault| &vault.verified().lock().secrets);
        secrets.is_some_and(|secrets| name.parse().is_ok_and(|name| secrets.contains_key(&name)))
    }
}

/// A part of a box, with its options read.
pub trait Module {
    /// What other modules may need to know of it.
    fn offer(&self, _offers: &mut Offers) {}

    /// Adds its part to the system.
    ///
    /// # Errors
    ///
    /// If an option's value cannot be written into a file.
    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable>;

    /// The files that follow from what all modules contributed, such as the rules of a firewall.
    ///
    /// # Errors
    ///
    /// As [`Self::contribute`].
    fn conclude(
        &self,
        _world: &World<'_>,
        _system: &System,
    ) -> Result<Vec<(AbsolutePath, File)>, Unwritable> {
        Ok(Vec::new())
    }
}

/// What there is to know of a module before its options are read.
pub struct Registration {
    /// Its name, and that of its table in a node.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The tables that it brings with it, as the text of a node: they lose against those of the node.
    pub implies: &'static str,
    /// Reads its options.
    pub read: fn(&mut Options<'_>) -> Box<dyn Module>,
}

/// All modules, in the order in which they contribute.
pub const MODULES: [Registration; 8] = [
    base::MODULE,
    server::MODULE,
    service_stack::MODULE,
    login::MODULE,
    vault::MODULE,
    swap_file::MODULE,
    backup::MODULE,
    local_ca::MODULE,
];

impl Registration {
    /// Its options, for the reference.
    #[must_use]
    pub fn options(&self) -> Vec<Described> {
        describe(self.name, self.read)
    }
}

/// What modules imply for others.
#[must_use]
pub fn implied() -> Vec<(&'static str, NodeFile)> {
    let implies = |module: &Registration| {
        let shown = format!("what `{}` implies", module.name);
        (module.name, NodeFile::from_text(module.name, &shown, module.implies))
    };
    MODULES.iter().filter(|module| !module.implies.is_empty()).map(implies).collect()
}

/// Reads the modules of a node, in the order of [`MODULES`].
#[must_use]
pub fn read(node: &Node<'_>, problems: &mut Problems) -> Vec<(&'static str, Box<dyn Module>)> {
    let mut read =
        |module: &Registration| Some((module.name, node.module(module.name, module.read, problems)?.0));
    MODULES.iter().filter_map(&mut read).collect()
}

/// What each option of the modules of a node is, in the order of [`MODULES`].
#[must_use]
pub fn effective(node: &Node<'_>, problems: &mut Problems) -> Vec<(&'static Registration, Vec<Described>)> {
    let mut options =
        |module: &'static Registration| Some((module, node.module(module.name, module.read, problems)?.1));
    MODULES.iter().filter_map(&mut options).collect()
}

/// The module that `docs/modules.md` shows is one.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/modules.md")]
struct Documented;
