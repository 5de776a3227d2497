//! What must hold of a whole system, whoever contributed what.

mod login;
mod policy;
mod secrets;
mod units;

use crate::{modules::World, problem::Problem, system::System};

/// What does not hold.
#[must_use]
pub fn failed(system: &System, world: &World<'_>) -> Vec<Problem> {
    let mut failed = units::failed(system);
    failed.extend(secrets::failed(system, world));
    failed.extend(policy::failed(system, world));
    failed.extend(login::failed(system, world));
    failed
}
