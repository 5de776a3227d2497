//! PostgreSQL: `postgres -C` reads the settings; a server of its own reads who may be whom, in a cluster that is made
//! for the check, without a socket.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run, run_with_input},
};
use crate::value::AbsolutePath;

const POSTGRES: Program = Program { name: "postgres", package: Some("postgresql") };
const INITDB: Program = Program { name: "initdb", package: Some("postgresql") };
/// Each line that PostgreSQL cannot read, as `file:line: why`.
const QUERY: &str = "\
select 'BAD ' || 'pg_hba.conf:' || line_number || ': ' || error as said from pg_hba_file_rules where error is not null \
union all \
select 'BAD ' || 'pg_ident.conf:' || line_number || ': ' || error from pg_ident_file_mappings where error is not null;
";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let named = |name: &'static str| {
        let is_so = move |path: &&AbsolutePath| path.as_str().ends_with(name);
        subject.texts_below("/etc/postgresql").map(|(path, _)| path).filter(is_so)
    };
    let settings = named("/postgresql.conf")
        .map(|path| Outcome::of("postgres -C", path.as_str(), settings(subject, path)));
    let rules = named("/pg_hba.conf")
        .map(|path| Outcome::of("pg_hba_file_rules", path.as_str(), rules(subject, path)));
    settings.chain(rules).collect()
}

/// All settings are read to tell one of them.
fn settings(subject: &Subject<'_>, path: &AbsolutePath) -> Result<Verdict, Verdict> {
    let mut postgres = POSTGRES.command()?;
    // No cluster is here; a folder does to tell a setting.
    postgres
        .arg("-D")
        .arg(&subject.root)
        .args(["-C", "max_connections", "-c"])
        .arg(format!("config_file={}", subject.at(path.as_str()).display()));
    Ok(run(postgres)?.without(&subject.root).verdict())
}

fn rules(subject: &Subject<'_>, path: &AbsolutePath) -> Result<Verdict, Verdict> {
    let mut postgres = POSTGRES.command()?;
    let mut initdb = INITDB.command()?;
    let folder = subject.folder("postgresql")?;
    let data = folder.join("data");
    initdb.args(["--no-sync", "--no-instructions", "--username=postgres", "--pgdata"]).arg(&data);
    let made = run(initdb)?;
    if !made.is_content() {
        return Err(Verdict::Failed(made.without(&folder).text));
    }
    let file = |setting: &str, name: &str| {
        let file = subject.at(path.parent().join(name).as_str());
        format!("{setting}={}", file.display())
    };
    postgres.arg("--single").arg("-D").arg(&data).arg("-c").arg(file("hba_file", "pg_hba.conf"));
    if subject.at(path.parent().join("pg_ident.conf").as_str()).exists() {
        postgres.arg("-c").arg(file("ident_file", "pg_ident.conf"));
    }
    postgres.arg("postgres");
    let said = run_with_input(postgres, QUERY)?;
    if !said.is_content() {
        return Err(Verdict::Failed(said.text));
    }
    let bad = said.text.lines().filter_map(|line| Some(line.split_once("\"BAD ")?.1.split_once("\"\t")?.0));
    let bad: Vec<&str> = bad.collect();
    Ok(if bad.is_empty() { Verdict::Passed } else { Verdict::Failed(bad.join("\n")) })
}
