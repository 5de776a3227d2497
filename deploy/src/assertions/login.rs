//! Somebody can log in to what lets people in.

use crate::{modules::World, problem::Problem, system::System};

/// The port of SSH (RFC 4253, section 4.1).
const SSH: u16 = 22;

pub(super) fn failed(system: &System, world: &World<'_>) -> Option<Problem> {
    let lets_in = system.open_ports.get(&SSH)?;
    if world.offers.admin_user.is_some() {
        return None;
    }
    let module = lets_in.first().copied().unwrap_or("server");
    let problem = Problem::new("the machine has SSH, and nobody who can log in: it would lock everyone out");
    Some(problem.about(module, "").help("add the table [login], or a `from` whose node has it"))
}
