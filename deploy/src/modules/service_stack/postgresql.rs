//! PostgreSQL: on Unix sockets only, with peer authentication for everyone.

use super::ServiceStack;
use crate::{formats::Unwritable, modules::World, system::Contributor};

impl ServiceStack {
    pub(super) fn contribute_postgresql(
        &self,
        _: &World<'_>,
        _system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        Ok(())
    }
}
