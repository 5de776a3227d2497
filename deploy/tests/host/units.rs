//! systemd takes the units, and finds them confined.

use fixtures::{
    command::program,
    machine::{self, Need::Program},
    tree,
};

use crate::node;

/// The most that `systemd-analyze security` may say of a unit.
const MOST_EXPOSED: f64 = 3.0;

/// Those units of ours that run something.
const SERVICES: [&str; 1] = ["odbox-login.service"];

#[test]
fn each_service_is_confined() {
    if !machine::has(&[Program("systemd-analyze")]) {
        return;
    }
    let (folder, rendered) = (tree::folder(), node::dev_vm(""));
    rendered.write(&folder.path().join("tree")).expect("a tree");
    let root = format!("--root={}", folder.path().join("tree/root").display());
    for unit in SERVICES {
        let said = program("systemd-analyze")
            .args(["security", "--offline=yes", "--no-pager", &root, unit])
            .succeeds()
            .text();
        let line = said.lines().find(|line| line.contains("Overall exposure level")).expect("a level");
        let level = line.split_whitespace().find_map(|word| word.parse::<f64>().ok()).expect("a number");
        println!("{unit}: {level}");
        assert!(level <= MOST_EXPOSED, "{said}");
    }
}
