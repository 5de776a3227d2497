//! A Debian machine with odbox installed as its README says, booted in a container.

use std::{
    ops::{Deref, DerefMut},
    path::Path,
};

use fixtures::container::{Container, given};

pub use fixtures::container::can_boot;

/// The system to boot, as `scripts/debian-root` makes it.
const ROOT: &str = "ODBOX_BOOT_ROOT";
/// The folder of the programs to install.
const PROGRAMS: &str = "ODBOX_BOOT_PROGRAMS";

/// A machine that is booted, or can be.
pub struct Machine(Container);

impl Machine {
    /// A machine with odbox installed as its README says, and booted.
    pub fn new() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        let container = Container::above(&given(ROOT, "--boot"), "box");
        let container = container.showing(repository, "/odbox");
        let mut container = container.showing(&given(PROGRAMS, "--boot"), "/programs");
        // Only the test that wants it starts it.
        container.prepare("systemctl --quiet disable prometheus-node-exporter.service");
        container.boot();
        container.run("/odbox/scripts/install --from /programs");
        Self(container)
    }
}

impl Deref for Machine {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.0
    }
}

impl DerefMut for Machine {
    fn deref_mut(&mut self) -> &mut Container {
        &mut self.0
    }
}
