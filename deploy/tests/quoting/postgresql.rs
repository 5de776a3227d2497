use std::{fs, os::unix::fs::chown, path::PathBuf};

use deploy::formats::{
    postgresql::{Field, line, setting},
    sql::{identifier, literal},
};
use fixtures::{
    command::{Run, program},
    machine::{self, Need::Program},
    tree,
};
use tempfile::TempDir;

use crate::value;

/// Where Debian installs the server, which is on no search path.
const INSTALLED: &str = "/usr/lib/postgresql";

/// A cluster of its own, on a socket.
struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    user: Option<u32>,
}

impl Cluster {
    /// Nothing if there is no PostgreSQL.
    fn started() -> Option<Self> {
        let programs = programs()?;
        let user = rustix::process::geteuid().is_root().then(|| {
            let number = program("id").args(["-u", "postgres"]).succeeds().text();
            number.trim().parse().expect("a number")
        });
        let folder = tree::folder();
        chown(folder.path(), user, None).expect("a folder of PostgreSQL's user");
        let cluster = Self { folder, programs, user };
        let quick = ["--no-sync", "--auth=trust", "--username=box", "--encoding=UTF8", "--locale=C.UTF-8"];
        let _ = cluster.program("initdb").args(quick).arg("-D").arg(cluster.data()).succeeds();
        let options = format!("-k {} -c listen_addresses= -c fsync=off", cluster.folder.path().display());
        let _ = cluster.control().args(["start", "-o", &options]).succeeds();
        Some(cluster)
    }

    fn program(&self, name: &str) -> Run {
        let run = program(&self.programs.join(name).display().to_string()).in_folder(self.folder.path());
        self.user.map_or(run.clone(), |user| run.as_user(user))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn control(&self) -> Run {
        let control = self.program("pg_ctl").args(["-w", "-s", "-D"]).arg(self.data());
        control.arg("-l").arg(self.folder.path().join("log"))
    }

    /// The rows of a script, each of one column.
    fn rows(&self, script: &str) -> Vec<String> {
        let psql =
            self.program("psql").args(["-XqAt0", "-v", "ON_ERROR_STOP=1", "-U", "box", "-d", "template1"]);
        value::split(&psql.arg("-h").arg(self.folder.path()).input(script).succeeds().output)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.data().join(file), text).expect("a file of the cluster");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.control().args(["stop", "-m", "immediate"]).run();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(INSTALLED).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|folder| folder.join("initdb").is_file());
    found.sort();
    // Says what is missing, or fails.
    found.pop().or_else(|| machine::has(&[Program("initdb")]).then(PathBuf::new))
}

#[test]
fn postgresql_reads_what_was_written() {
    let Some(cluster) = Cluster::started() else { return };
    literals(&cluster);
    identifiers(&cluster);
    databases(&cluster);
    settings(&cluster);
    access(&cluster);
    no_name_is_a_keyword(&cluster);
}

fn literals(cluster: &Cluster) {
    value::each(200, |values| {
        let select = |value: &String| format!("SELECT {};\n", literal(value).expect("no value holds a NUL"));
        for lax in ["on", "off"] {
            let script: String = values.iter().map(select).collect();
            let script = format!(
                "SET escape_string_warning = off;\nSET standard_conforming_strings = {lax};\n{script}"
            );
            assert_eq!(cluster.rows(&script), values);
        }
    });
}

fn identifiers(cluster: &Cluster) {
    value::each(100, |mut values| {
        values.sort();
        values.dedup();
        let written = value::written(&values, 2, identifier);
        let create = |(_, name): &(&str, String)| format!("CREATE ROLE {name};\n");
        let script: String = written.iter().map(create).collect();
        let query = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'box' ORDER BY oid";
        let rows = cluster.rows(&format!("BEGIN;\n{script}{query};\nROLLBACK;\n"));
        assert_eq!(rows, written.iter().map(|(value, _)| *value).collect::<Vec<&str>>());
    });
}

fn databases(cluster: &Cluster) {
    for name in ["a b", "it's \"100%\"", "$x\\", "é\n;", "-d", "all"] {
        let database = identifier(name).expect("a name");
        let query =
            format!("SELECT datname FROM pg_database WHERE datname = {}", literal(name).expect("a value"));
        let rows =
            cluster.rows(&format!("CREATE DATABASE {database};\n{query};\nDROP DATABASE {database};\n"));
        assert_eq!(rows, [name]);
    }
}

fn settings(cluster: &Cluster) {
    let original = fs::read_to_string(cluster.data().join("postgresql.conf")).expect("the settings");
    value::each(200, |values| {
        let line = |(number, value): (usize, &String)| {
            setting(format!("box.v{number}").leak(), value).expect("no value holds a NUL")
        };
        let lines: String = values.iter().enumerate().map(line).collect();
        cluster.write("postgresql.conf", &format!("{original}\n{lines}"));
        let query =
            "SELECT setting FROM pg_file_settings WHERE name LIKE 'box.v%' AND error IS NULL ORDER BY seqno";
        assert_eq!(cluster.rows(&format!("{query};\n")), values);
    });
    let value = "it's \"100%\" \\ $x";
    cluster.write("postgresql.conf", &(original + &setting("log_line_prefix", value).expect("a value")));
    let said =
        cluster.program("postgres").args(["-C", "log_line_prefix", "-D"]).arg(cluster.data()).succeeds();
    assert_eq!(said.text(), format!("{value}\n"));
}

fn access(cluster: &Cluster) {
    let original = fs::read_to_string(cluster.data().join("pg_hba.conf")).expect("the rules");
    value::each(100, |values| {
        let written = value::written(&values, 6, |value| {
            let name = Field::Name(value);
            let rule = line(&[Field::Literal("local"), name, name, Field::Literal("peer map=box")])?;
            Ok((rule, line(&[Field::Literal("box"), name, name])?))
        });
        let rules: String = written.iter().map(|(_, (rule, _))| rule.as_str()).collect();
        let maps: String = written.iter().map(|(_, (_, map))| map.as_str()).collect();
        cluster.write("pg_hba.conf", &(rules + &original));
        cluster.write("pg_ident.conf", &maps);
        let rows = cluster.rows(
            "SELECT unnest(ARRAY[coalesce(error, array_to_string(database, '|')), array_to_string(user_name, '|')])
            FROM pg_hba_file_rules WHERE auth_method = 'peer' OR error IS NOT NULL ORDER BY line_number;
            SELECT unnest(ARRAY[coalesce(error, sys_name), pg_username])
            FROM pg_ident_file_mappings ORDER BY line_number;",
        );
        let twice: Vec<&str> = written.iter().flat_map(|(value, _)| [*value, *value]).collect();
        assert_eq!(rows, [twice.clone(), twice].concat());
    });
    cluster.write("pg_hba.conf", &original);
}

/// As keywords, each of these rules would keep us out.
fn no_name_is_a_keyword(cluster: &Cluster) {
    let original = fs::read_to_string(cluster.data().join("pg_hba.conf")).expect("the rules");
    let names =
        [("all", "all"), ("template1", "all"), ("all", "box"), ("template1", "+box"), ("sameuser", "box")];
    let rule = |(database, user)| {
        let fields =
            [Field::Literal("local"), Field::Name(database), Field::Name(user), Field::Literal("reject")];
        line(&fields).expect("a rule")
    };
    cluster.write("pg_hba.conf", &(names.map(rule).concat() + &original));
    let loaded = || cluster.rows("SELECT pg_conf_load_time();");
    let before = loaded();
    let _ = cluster.control().arg("reload").succeeds();
    let reloaded = (0..1_000).any(|_| loaded() != before);
    assert!(reloaded, "it has not read its rules again");
    assert_eq!(cluster.rows("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'reject';"), ["5"]);
}
