//! `vault`.

use super::{Module, Registration, World};
use crate::{formats::Unwritable, node::Options, system::Contributor};

/// This module.
pub const MODULE: Registration =
    Registration { name: "vault", summary: "", implies: "", read: |options| Box::new(Vault::read(options)) };

struct Vault;

impl Vault {
    fn read(_options: &mut Options<'_>) -> Self {
        Self
    }
}

impl Module for Vault {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
