//! `deploy check` on the machine itself, where Odoo and PgAdmin are at their places.

use crate::node::Node;

const CHECK: &str = "/tools/deploy check devm-x86_64 --strict";

/// None is skipped.
pub fn every_checker_takes_the_node(node: &Node) {
    let told = node.run(CHECK);
    for checker in ["odoo --version: 1 ok\n", "pgadmin4: 1 ok\n"] {
        assert!(told.contains(checker), "{checker}: {told}");
    }
}

/// An Odoo that knows an option by another name.
pub fn another_odoo_fails(node: &Node) {
    let file = "/opt/odoo-14/root/usr/lib/python3/dist-packages/odoo/tools/config.py";
    let told = with_other(node, file, "--no-database-list", "--hide-databases");
    assert!(told.contains("no such option: --no-database-list"), "{told}");
}

/// A PgAdmin that does not know a setting.
pub fn another_pgadmin_fails(node: &Node) {
    let file = "/opt/pgadmin4/lib/python3.13/site-packages/pgadmin4/config.py";
    let told = with_other(node, file, "LLM_ENABLED", "MODELS_ENABLED");
    assert!(told.contains("PgAdmin has no setting LLM_ENABLED"), "{told}");
}

/// What the check tells, which fails, while a word of a file is another one.
fn with_other(node: &Node, file: &str, word: &str, other: &str) -> String {
    node.run(&format!("cp --archive {file} /run/kept; sed -i 's/{word}/{other}/g' {file}"));
    let told = node.try_run(CHECK);
    node.run(&format!("cp --archive /run/kept {file}"));
    assert_eq!(told.status, Some(1), "{told}");
    told.text()
}
