//! Nginx: ends TLS, and passes on to Odoo and `PgAdmin`.

use super::ServiceStack;
use crate::{formats::Unwritable, modules::World, system::Contributor};

impl ServiceStack {
    pub(super) fn contribute_nginx(
        &self,
        _: &World<'_>,
        _system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        Ok(())
    }
}
