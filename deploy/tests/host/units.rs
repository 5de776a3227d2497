//! systemd takes the units, and finds them confined.

use fixtures::{
    command::program,
    machine::{self, Need::Program},
    tree,
};

use crate::node;

/// The most that `systemd-analyze security` may say of a unit.
const MOST_EXPOSED: f64 = 3.0;

/// Those units of ours that run something: of a dev VM, and of an instance in the cloud.
const OF_DEV_VM: [&str; 2] = ["odbox-login.service", "odbox-ssh-host-key.service"];
const OF_INSTANCE: [&str; 1] = ["odbox-host-name.service"];

#[test]
fn each_service_is_confined() {
    if !machine::has(&[Program("systemd-analyze")]) {
        return;
    }
    let instance = node::of("instance", "architecture = \"x86_64\"\nplatform = \"ec2\"\n[base]\n");
    for (rendered, units) in [(node::dev_vm("[server]\n"), &OF_DEV_VM[..]), (instance, &OF_INSTANCE)] {
        let folder = tree::folder();
        rendered.write(&folder.path().join("tree")).expect("a tree");
        let root = format!("--root={}", folder.path().join("tree/root").display());
        units.iter().for_each(|unit| is_confined(&root, unit));
    }
}

fn is_confined(root: &str, unit: &str) {
    let analysis = program("systemd-analyze").args(["security", "--offline=yes", "--no-pager", root, unit]);
    let said = analysis.succeeds().text();
    let line = said.lines().find(|line| line.contains("Overall exposure level")).expect("a level");
    let level = line.split_whitespace().find_map(|word| word.parse::<f64>().ok()).expect("a number");
    println!("{unit}: {level}");
    assert!(level <= MOST_EXPOSED, "{said}");
}
