//! `PgAdmin` in server mode, its configuration in PostgreSQL.

use super::ServiceStack;
use crate::{formats::Unwritable, modules::World, system::Contributor};

impl ServiceStack {
    pub(super) fn contribute_pgadmin(
        &self,
        _: &World<'_>,
        _system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        Ok(())
    }
}
