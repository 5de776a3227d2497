//! Where the processes of a unit are.

use super::ControlGroup;

/// Where a unit is, as the system manager says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Its control group.
    At(ControlGroup),
    /// It does not run.
    Nowhere,
    /// Nobody says.
    Untold,
}

impl Place {
    /// What `systemctl show --property=ControlGroup --value` printed: a line.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        match std::str::from_utf8(answer).ok().and_then(|answer| answer.strip_suffix('\n')) {
            Some("") => Self::Nowhere,
            // A unit whose group is none that a process can be told by.
            Some(path) => ControlGroup::parse(path).map_or(Self::Nowhere, Self::At),
            None => Self::Untold,
        }
    }
}
