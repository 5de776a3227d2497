//! `backup`.

use super::{Module, Registration, World};
use crate::{formats::Unwritable, node::Options, system::Contributor};

/// This module.
pub const MODULE: Registration = Registration {
    name: "backup",
    summary: "",
    implies: "",
    read: |options| Box::new(Backup::read(options)),
};

struct Backup;

impl Backup {
    fn read(_options: &mut Options<'_>) -> Self {
        Self
    }
}

impl Module for Backup {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
