//! Units of the system.

use crate::formats::unit::UnitFile;

/// Whether a unit starts with the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// It is wanted by this target, service or timer.
    WantedBy(&'static str),
    /// Something else starts it.
    Static,
    /// It can be started by nobody.
    Masked,
}

/// A unit of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What is in its file.
    pub file: UnitFile,
    /// Whether it starts with the system.
    pub enabled: Enabled,
}
