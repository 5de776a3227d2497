//! `login`.

use super::{Module, Registration, World};
use crate::{formats::Unwritable, node::Options, system::Contributor};

/// This module.
pub const MODULE: Registration =
    Registration { name: "login", summary: "", implies: "", read: |options| Box::new(Login::read(options)) };

struct Login;

impl Login {
    fn read(_options: &mut Options<'_>) -> Self {
        Self
    }
}

impl Module for Login {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
