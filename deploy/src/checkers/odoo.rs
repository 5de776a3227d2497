//! Odoo: the program reads the options that its units give it, and then tells its version and nothing else.
//!
//! It is the one of the unit's own root where that is here and we are root, as on the machine itself; else this
//! machine's.

use std::{path::Path, process::Command};

use super::{
    Outcome, Subject, Verdict,
    program::{NOBODY, Program, is_root, run},
    units::{ours, values},
};

const ODOO: Program = Program { name: "/usr/bin/odoo", package: Some("odoo-14") };
const CHROOT: Program = Program { name: "chroot", package: Some("coreutils") };

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let commands = ours(subject)
        .flat_map(|(name, text)| values(text, "ExecStart").map(move |command| (name, text, command)));
    let of_odoo = commands.filter_map(|(name, text, command)| Some((name, text, options(command)?)));
    let judged = of_odoo.map(|(name, text, options)| {
        let root = values(text, "RootDirectory").last();
        Outcome::of("odoo --version", name, judge(root, &options))
    });
    judged.collect()
}

/// The options of a command line whose program is Odoo's. What systemd fills in stays as it is.
fn options(command: &str) -> Option<Vec<String>> {
    let words = shlex::split(command)?;
    let (program, options) = words.split_first()?;
    let is_odoo = program == ODOO.name;
    is_odoo.then(|| options.iter().map(|word| word.replace("$$", "$").replace("%%", "%")).collect())
}

fn judge(root: Option<&str>, options: &[String]) -> Result<Verdict, Verdict> {
    let own = root.filter(|root| is_root() && Path::new(root).join(&ODOO.name[1..]).is_file());
    let mut odoo = own.map_or_else(|| ODOO.command(), within)?;
    odoo.args(options).arg("--version");
    Ok(run(odoo)?.verdict())
}

/// A command that runs it as nobody, in a root of its own.
fn within(root: &str) -> Result<Command, Verdict> {
    let mut chroot = CHROOT.privileged()?;
    chroot.arg(format!("--userspec={NOBODY}:{NOBODY}")).arg("--groups=").arg(root).arg(ODOO.name);
    Ok(chroot)
}
