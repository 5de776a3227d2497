//! The vaults that the EC2 nodes ship with: whole and signed, and nobody can open them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{odbox, program, vaultgen},
    machine::{self, Need::Program},
    tree,
    vault::Vault,
};

const NODES: [&str; 2] = ["ec2-aarch64", "ec2-x86_64"];
const SCRIPT: &str = "make-example-vaults";

fn nodes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nodes")
}

/// The paths of all files.
fn files(vault: &Path) -> Vec<PathBuf> {
    tree::snapshot(vault).into_keys().filter(|path| vault.join(path).is_file()).collect()
}

/// A standard vault with one machine, and no private key.
fn assert_is_example(vault: &Path, node: &str) {
    let verified = vaultgen().args(["verify", "--vault"]).arg(vault).succeeds();
    verified.says("sound: 17 secrets, serial 2, signed by example");
    let mut expected = files(&Vault::standard().path());
    expected.retain(|path| path.extension().is_none_or(|end| end != "key"));
    assert_eq!(files(vault), expected, "{node}");
    let machines = vaultgen().args(["machine", "list", "--vault"]).arg(vault).succeeds().text();
    assert!(
        machines.starts_with(&format!("{node}  odoo-box\n")) && machines.lines().count() == 2,
        "{machines}"
    );
    let policy = fs::read_to_string(vault.join("vault.toml")).expect("a policy");
    let audience = format!("audience = [\"ops\", \"{node}\"]");
    // Nine secrets, and the template.
    assert_eq!(policy.matches(&audience).count(), 10, "{policy}");
}

#[test]
fn each_is_a_standard_vault_for_its_machine_without_a_key() {
    for node in NODES {
        assert_is_example(&nodes().join(node).join("vault"), node);
    }
}

#[test]
fn they_can_be_made_anew() {
    if !machine::has(&[Program("sh")]) {
        return;
    }
    let folder = tree::folder();
    let script = folder.path().join(SCRIPT);
    fs::copy(nodes().join(SCRIPT), &script).expect("a copy");
    for _ in 0..2 {
        let vaultgen = format!("VAULTGEN={}", odbox("vaultgen").display());
        program("sh").arg(&script).under(["env", &vaultgen]).succeeds();
    }
    for node in NODES {
        let made = folder.path().join(node).join("vault");
        assert_is_example(&made, node);
        let lock = |vault: &Path| fs::read(vault.join("vault.lock")).expect("a lock");
        assert_ne!(lock(&made), lock(&nodes().join(node).join("vault")), "{node}");
    }
}
