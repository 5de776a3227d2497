//! The development set of a laptop.

use std::{collections::BTreeSet, path::Path};

use fixtures::{
    command::program,
    machine::{self, Need::Program},
};

#[test]
fn the_list_is_printed_and_changes_nothing() {
    if !machine::has(&[Program("bash")]) {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/dev-tools");
    let list = program("bash").arg(&script).arg("--list").succeeds().text();
    let names: BTreeSet<&str> = list.lines().collect();
    assert_eq!(names.len(), list.lines().count(), "a package is there twice");
    for needed in ["age", "cargo", "git", "mmdebstrap", "qemu-system-arm", "qemu-system-x86"] {
        assert!(names.contains(needed), "{needed}");
    }
    program("bash").arg(&script).arg("--other").exits(2).says("scripts/dev-tools --list");
}
