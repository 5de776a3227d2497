//! `local-ca`.

use super::{Module, Registration, World};
use crate::{formats::Unwritable, node::Options, system::Contributor};

/// This module.
pub const MODULE: Registration = Registration {
    name: "local-ca",
    summary: "",
    implies: "",
    read: |options| Box::new(LocalCa::read(options)),
};

struct LocalCa;

impl LocalCa {
    fn read(_options: &mut Options<'_>) -> Self {
        Self
    }
}

impl Module for LocalCa {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
