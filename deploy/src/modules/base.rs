//! `base`: command-line tools, an editor, and who may become root.

use super::{Module, Registration, World};
use crate::{
    choice,
    formats::Unwritable,
    node::Options,
    system::{Contributor, File},
    value::{AbsolutePath, PackageName},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "base",
    summary: "command-line tools, a default editor, sudo without a password",
    implies: "",
    read: |options| Box::new(Base::read(options)),
};

struct Base;

impl Base {
    fn read(_options: &mut Options<'_>) -> Self {
        Self
    }
}

impl Module for Base {
    fn contribute(&self, _: &World<'_>, _system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        Ok(())
    }
}
