//! Odoo 14: the server, its long-polling process, the first initialisation, the sessions that idle.

use super::ServiceStack;
use crate::{formats::Unwritable, modules::World, system::Contributor};

impl ServiceStack {
    pub(super) fn contribute_odoo(
        &self,
        _: &World<'_>,
        _system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        Ok(())
    }
}
