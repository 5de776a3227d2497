//! Odoo: the program reads the options that its units give it, and then tells its version and nothing else.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
    units::{ours, values},
};

const ODOO: Program = Program { name: "/usr/bin/odoo", package: Some("odoo-14") };

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let commands =
        ours(subject).flat_map(|(name, text)| values(text, "ExecStart").map(move |command| (name, command)));
    let of_odoo = commands.filter_map(|(name, command)| Some((name, options(command)?)));
    of_odoo.map(|(name, options)| Outcome::of("odoo --version", name, judge(&options))).collect()
}

/// The options of a command line whose program is Odoo's. What systemd fills in stays as it is.
fn options(command: &str) -> Option<Vec<String>> {
    let words = shlex::split(command)?;
    let (program, options) = words.split_first()?;
    let is_odoo = program == ODOO.name;
    is_odoo.then(|| options.iter().map(|word| word.replace("$$", "$").replace("%%", "%")).collect())
}

fn judge(options: &[String]) -> Result<Verdict, Verdict> {
    let mut odoo = ODOO.command()?;
    odoo.args(options).arg("--version");
    Ok(run(odoo)?.verdict())
}
