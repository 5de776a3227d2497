//! PostgreSQL as it is rendered, with its roles and rights, in the release that this machine has.

use std::fs;

use deploy::node::Variant;
use fixtures::machine::{self, Need::Program};

use crate::machine::{Machine, NEEDS};

/// The release that is rendered.
const RENDERED: &str = "17";
/// Where each release has its programs.
const RELEASES: &str = "/usr/lib/postgresql";

/// Asks as a user of the machine in a role: the answer on one line.
const ASK: &str = "\
as() { user=$1; shift; setpriv --reuid=\"$user\" --regid=\"$user\" --clear-groups \"$@\"; }
ask() { as \"$1\" psql -X -h /run/postgresql -U \"$2\" -d \"$3\" -Atc \"$4\" 2>&1 | head -n 1; }
odoo() { ask odoo odoo shop \"$1\"; }
pgadmin() { ask pgadmin pgadmin shop \"$1\"; }
all() { as postgres pg_dumpall -h /run/postgresql -U postgres | grep -v restrict | sha256sum; }
";

/// The newest release here.
fn release() -> Option<String> {
    let releases =
        fs::read_dir(RELEASES).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    releases.max()
}

/// A machine whose units and scripts run the release that is here. Before 17 there is no locale of PostgreSQL's own.
fn machine(release: &str) -> Machine {
    let tables = "[service-stack]\nodoo-db-name = \"shop\"\npgadmin = true\n";
    let machine = Machine::of(tables, Variant::Run);
    for path in [
        "/etc/systemd/system/postgresql.service",
        "/etc/systemd/system/database-init.service",
        "/usr/local/lib/odbox/postgresql-init",
    ] {
        let file = machine.path(path);
        let text = fs::read_to_string(&file).expect("a file");
        let programs = |release: &str| format!("{RELEASES}/{release}/bin");
        let text = text.replace(&programs(RENDERED), &programs(release));
        let text = if release < RENDERED { text.replace(" --locale-provider=builtin", "") } else { text };
        fs::write(file, text).expect("a file");
    }
    machine.starting(&["database-init.service"])
}

fn tells(script: &str) -> Option<String> {
    if !machine::has(&NEEDS) || !machine::has(&[Program("psql"), Program("setpriv")]) {
        return None;
    }
    Some(machine(&release()?).tells(&format!("{ASK}{script}")))
}

#[test]
fn a_second_run_changes_nothing() {
    let script = "\
odoo 'create table t (x int)' >/dev/null
one=$(all)
systemctl restart database-init.service
two=$(all)
[ \"$one\" = \"$two\" ] && echo same
systemctl restart postgresql.service
systemctl start database-init.service
systemctl is-active postgresql.service database-init.service
odoo 'select count(*) from t'
";
    let Some(said) = tells(script) else { return };
    assert_eq!(said, "same\nactive\nactive\n0\ndone\n");
}

#[test]
fn pgadmin_reads_and_writes_odoos_data_and_does_nothing_else() {
    let allowed = [
        ("insert into t(x) values (1) returning x", "1"),
        ("update t set x = 2 returning x", "2"),
        ("select x from t", "2"),
        ("delete from t returning x", "2"),
    ];
    let refused = [
        "drop table t",
        "alter table t add y int",
        "truncate t",
        "create index on t(x)",
        "create table mine(x int)",
        "create temporary table mine(x int)",
        "create schema mine",
        "create database mine",
        "create role mine",
        "set role odoo",
        "copy t to program 'id'",
        "select pg_read_file('/etc/passwd')",
    ];
    let ask = |statement: &str| format!("pgadmin \"{statement}\"\n");
    // After the rights were given: what Odoo creates later is meant too.
    let mut script = "odoo 'create table t (id serial primary key, x int)'\n".to_owned();
    script.extend(allowed.iter().map(|(statement, _)| ask(statement)));
    script.extend(refused.iter().map(|statement| ask(statement)));
    let Some(said) = tells(&script) else { return };
    let answers: Vec<&str> = said.lines().skip(1).collect();
    for ((statement, expected), answer) in allowed.iter().zip(&answers) {
        assert_eq!(answer, expected, "{statement}\n{said}");
    }
    for (statement, answer) in refused.iter().zip(&answers[allowed.len()..]) {
        let is_refused = answer.contains("permission denied") || answer.contains("must be ");
        assert!(is_refused, "{statement}: {answer}\n{said}");
    }
}

#[test]
fn everyone_is_who_they_are_and_stays_in_their_databases() {
    let script = "\
ask root admin shop 'select rolsuper from pg_roles where rolname = current_user'
ask postgres postgres postgres 'select 1'
odoo 'select current_user'
ask odoo odoo postgres 'select 1'
ask pgadmin pgadmin pgadmin 'select current_user'
echo refused:
ask odoo admin shop 'select 1'
ask odoo postgres shop 'select 1'
ask pgadmin odoo shop 'select 1'
ask root postgres postgres 'select 1'
ask nginx odoo shop 'select 1'
ask pgadmin pgadmin postgres 'select 1'
ask pgadmin pgadmin template1 'select 1'
ask odoo odoo pgadmin 'select 1'
echo ports: $(ss -ltn | grep -c 5432)
";
    let Some(said) = tells(script) else { return };
    let (may, may_not) = said.split_once("refused:\n").expect("both");
    assert_eq!(may, "t\n1\nodoo\n1\npgadmin\n", "{said}");
    let lines: Vec<&str> = may_not.lines().collect();
    for answer in &lines[..5] {
        assert!(answer.contains("Peer authentication failed"), "{answer}\n{said}");
    }
    for answer in &lines[5..8] {
        assert!(answer.contains("permission denied for database"), "{answer}\n{said}");
    }
    assert_eq!(lines[8], "ports: 0", "it listens on no port\n{said}");
}

#[test]
fn a_cluster_that_was_begun_is_made_anew() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("psql"), Program("setpriv")]) {
        return;
    }
    let Some(release) = release() else { return };
    let machine = machine(&release);
    machine.write("/var/lib/postgresql/17/main.draft/PG_VERSION", "half");
    machine.write("/etc/tmpfiles.d/draft.conf", "Z /var/lib/postgresql - postgres postgres\n");
    let said = machine.tells(&format!("{ASK}odoo 'select 1'\nls /var/lib/postgresql/17\n"));
    assert_eq!(said, "1\nmain\ndone\n");
}
