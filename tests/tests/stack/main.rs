//! A whole node as `deploy render` describes it, booted: Odoo, PgAdmin, Nginx, PostgreSQL, logins and the vault, each the
//! real program. `scripts/test --stack` runs it.
//!
//! To boot a node takes a minute, so each is booted once, and all of its checks run on it, those that disturb it last.
//! Whatever fails is told by name at the end.

mod node;

mod bootstrap;
mod changes;
mod checkers;
mod logins;
mod maintenance;
mod odoo;
mod outside;
mod pgadmin;
mod plaintext;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use fixtures::container::can_boot;

use self::node::Node;

/// A check: its name, and what it does.
type Check = (&'static str, fn(&Node));

/// What holds for both variants.
const OF_BOTH: &[Check] = &[
    ("every unit has started", node::every_unit_has_started),
    ("the outside reaches three ports", outside::reaches_three_ports),
    ("whoever comes without TLS is sent to it", outside::is_sent_to_tls),
    ("PgAdmin logs in with the vault's password alone", pgadmin::logs_in_with_the_vaults_password_alone),
    ("PgAdmin locks after three wrong passwords", pgadmin::locks_after_three_wrong_passwords),
    ("PgAdmin's server is connected without a prompt", pgadmin::is_connected_without_a_prompt),
    ("SSH takes the vault's passwords alone", logins::ssh_takes_the_vaults_passwords_alone),
    ("a terminal takes the vault's password alone", logins::a_terminal_takes_the_vaults_password_alone),
    ("the administrator has psql", maintenance::the_administrator_has_psql),
];

/// What holds where Odoo runs.
const OF_RUN: &[Check] = &[
    ("Odoo is served with the vault's certificate", odoo::is_served_with_the_vaults_certificate),
    ("admin/admin is denied", odoo::denies_the_password_of_its_data),
    ("the vault's password logs in", odoo::takes_the_vaults_password),
    ("long polling hears what another process says", odoo::long_polling_hears_what_another_process_says),
    ("the administrator has odoo", maintenance::the_administrator_has_odoo),
    ("idle sessions end", maintenance::idle_sessions_end),
    ("every checker takes the node", checkers::every_checker_takes_the_node),
    ("another Odoo fails the check", checkers::another_odoo_fails),
    ("another PgAdmin fails the check", checkers::another_pgadmin_fails),
    ("no plaintext is in a process", plaintext::none_is_in_a_process),
    ("a dead server of vaultd disturbs nobody", changes::a_dead_server_disturbs_nobody),
    ("a new password reaches who has it", changes::a_new_password_reaches_who_has_it),
    ("no plaintext is on the disk", plaintext::none_is_on_the_disk),
];

/// What holds where Odoo does not run yet.
const OF_BOOTSTRAP: &[Check] = &[
    ("Odoo does not run", bootstrap::odoo_does_not_run),
    ("Odoo's database is empty", bootstrap::the_database_is_empty),
    ("Odoo's files have their place", bootstrap::the_file_store_is_there),
    ("no plaintext is in a process", plaintext::none_is_in_a_process),
    ("no plaintext is on the disk", plaintext::none_is_on_the_disk),
];

#[test]
fn the_dev_vm_runs() {
    holds("run", &[OF_BOTH, OF_RUN]);
}

#[test]
fn the_dev_vm_waits_for_data() {
    holds("bootstrap", &[OF_BOTH, OF_BOOTSTRAP]);
}

/// Boots a variant of the dev VM, and runs all checks, of which none may fail.
fn holds(variant: &str, checks: &[&[Check]]) {
    if !can_boot() {
        return;
    }
    let node = Node::booted("devm-x86_64", variant);
    let is_broken = |(name, check): &&Check| {
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| check(&node)));
        println!(
            "{:4} s  {}  {name}",
            start.elapsed().as_secs(),
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        result.is_err()
    };
    let broken: Vec<&str> =
        checks.iter().copied().flatten().filter(is_broken).map(|(name, _)| *name).collect();
    assert!(broken.is_empty(), "{variant}: {broken:?}");
}
