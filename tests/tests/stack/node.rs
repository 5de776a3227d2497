//! A node that is installed from its rendered tree and booted.

use std::{
    env,
    ops::Deref,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{odbox, program},
    container::{Container, given},
    tree,
};
use tempfile::TempDir;

/// What the node is installed onto, a line `PLACE=FOLDER` for each part, as `scripts/stack-parts` makes it.
const PARTS: &str = "ODBOX_STACK_PARTS";
/// The folder of the programs to install.
const PROGRAMS: &str = "ODBOX_BOOT_PROGRAMS";
/// What stands in for `deploy apply`.
const INSTALL: &str = include_str!("install.sh");

/// A node that runs.
pub struct Node {
    container: Container,
    /// What `deploy render` wrote, which the container shows.
    _tree: TempDir,
}

impl Node {
    /// A shipped node, in one of its variants.
    pub fn booted(name: &str, variant: &str) -> Self {
        let tree = tree::folder();
        let deploy = odbox("deploy");
        let render = program(&deploy.to_string_lossy()).args(["render", name, "--variant", variant, "--out"]);
        render.arg(tree.path().join("tree")).succeeds();

        let parts = parts();
        let (_, root) = parts.iter().find(|(place, _)| place == "/").expect("a part at /");
        let above = Container::above(root, "devm");
        let others = parts.iter().filter(|(place, _)| place != "/");
        let container = others.fold(above, |container, (place, folder)| container.with_part(folder, place));
        let container = container.showing(&tree.path().join("tree"), "/tree");
        let container = container.showing(&given(PROGRAMS, "--stack"), "/programs");
        let mut container = container.showing(deploy.parent().expect("a folder"), "/tools");
        container.prepare(INSTALL);
        container.boot();
        Self { container, _tree: tree }
    }

    /// A property of a unit, as systemctl(1) shows it.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&format!("systemctl show --value --property={name} {unit}"))
    }
}

impl Deref for Node {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

fn parts() -> Vec<(String, PathBuf)> {
    let lines = env::var(PARTS).unwrap_or_else(|_| panic!("{PARTS} is not set: run scripts/test --stack"));
    let part = |line: &str| {
        let (place, folder) = line.split_once('=').unwrap_or_else(|| panic!("{PARTS}: no part: {line}"));
        (place.to_owned(), Path::new(folder).to_owned())
    };
    lines.lines().map(part).collect()
}

/// The boot reached its target, and no unit failed.
pub fn every_unit_has_started(node: &Node) {
    let failed = node.run("systemctl list-units --failed --plain --no-legend");
    assert_eq!(failed, "", "units failed");
    assert_eq!(node.try_run("systemctl is-system-running --wait").text().trim(), "running");
    for unit in
        ["multi-user.target", "vaultd.service", "nginx.service", "pgadmin.service", "postgresql.service"]
    {
        assert_eq!(node.property(unit, "ActiveState"), "active", "{unit}");
    }
}
