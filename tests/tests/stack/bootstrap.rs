//! The bootstrap variant: everything but a running Odoo, so that the data of another one can be loaded.

use crate::{node::Node, odoo::DATABASE};

/// Its unit is there, and nothing starts it.
pub fn odoo_does_not_run(node: &Node) {
    for unit in ["odoo.service", "odoo-init.service"] {
        assert_eq!(node.property(unit, "LoadState"), "loaded", "{unit}");
        assert_eq!(node.property(unit, "ActiveState"), "inactive", "{unit}");
    }
    assert_eq!(node.run("ps -o pid= -u odoo || true"), "");
}

/// It belongs to Odoo's role.
pub fn the_database_is_empty(node: &Node) {
    let psql = |query: &str| node.run(&format!("su - admin -c \"psql -XAtc \\\"{query}\\\" {DATABASE}\""));
    assert_eq!(psql("select count(*) from pg_tables where schemaname = 'public'"), "0");
    assert_eq!(
        psql("select pg_get_userbyid(datdba) from pg_database where datname = current_database()"),
        "odoo"
    );
}

/// Odoo's own, empty.
pub fn the_file_store_is_there(node: &Node) {
    let store = format!("/var/lib/odoo/filestore/{DATABASE}");
    assert_eq!(node.run(&format!("stat --format='%U %a' {store}; ls -A {store}")), "odoo 700");
}
