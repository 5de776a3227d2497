//! What the administrator does at a shell, and what a timer does for them.

use crate::{node::Node, odoo::DATABASE};

/// As a superuser, without a password.
pub fn the_administrator_has_psql(node: &Node) {
    let role = "select rolsuper from pg_roles where rolname = current_user";
    assert_eq!(node.run(&format!("su - admin -c 'psql -XAtc \"{role}\" {DATABASE}'")), "t");
    // Who has no role does not.
    node.try_run(&format!("setpriv --reuid vaultd --clear-groups psql -Xc 'select 1' {DATABASE}"))
        .says("FATAL");
}

/// Odoo's shell sees the data of the server.
pub fn the_administrator_has_odoo(node: &Node) {
    let shell = "echo 'print(\"login\", env.ref(\"base.user_admin\").login)' | su - admin -c 'odoo shell'";
    let told = node.run(&format!("{shell} 2>/dev/null"));
    assert!(told.lines().any(|line| line.ends_with("login admin")), "{told}");
}

/// Hourly, those that nobody used for as long as the node says: five minutes.
pub fn idle_sessions_end(node: &Node) {
    assert_eq!(node.property("odoo-sessions.timer", "ActiveState"), "active");
    assert_ne!(node.property("odoo-sessions.timer", "NextElapseUSecRealtime"), "");
    let sessions = "/var/lib/odoo/sessions";
    node.run(&format!(
        "touch --date='6 minutes ago' {sessions}/idle
         touch --date='4 minutes ago' {sessions}/used
         systemctl start odoo-sessions.service
         test ! -e {sessions}/idle
         rm {sessions}/used"
    ));
}
