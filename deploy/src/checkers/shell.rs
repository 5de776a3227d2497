//! Scripts: `sh -n` and `bash -n` read each without running it, and ShellCheck knows what goes wrong when it runs.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};
use crate::value::AbsolutePath;

const SH: Program = Program { name: "sh", package: Some("dash") };
const BASH: Program = Program { name: "bash", package: Some("bash") };
const SHELLCHECK: Program = Program { name: "shellcheck", package: Some("shellcheck") };

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let scripts = subject.texts_below("/").filter_map(|(path, text)| Some((path, shell(path, text)?)));
    let both = |(path, shell): (&AbsolutePath, &Program)| {
        [
            Outcome::of("sh -n", path.as_str(), reads(subject, path, shell)),
            Outcome::of("shellcheck", path.as_str(), shellcheck(subject, path, shell)),
        ]
    };
    scripts.flat_map(both).collect()
}

/// The shell that a script is for, by its first line; one without such a line is read by other scripts.
fn shell(path: &AbsolutePath, text: &str) -> Option<&'static Program> {
    if path.as_str().ends_with(".sh") && !text.starts_with("#!") {
        return Some(&SH);
    }
    let interpreter = text.strip_prefix("#!")?.split_whitespace().next()?;
    match interpreter.rsplit('/').next()? {
        "sh" => Some(&SH),
        "bash" => Some(&BASH),
        _ => None,
    }
}

fn reads(subject: &Subject<'_>, path: &AbsolutePath, shell: &Program) -> Result<Verdict, Verdict> {
    let mut command = shell.command()?;
    command.arg("-n").arg(subject.at(path.as_str()));
    Ok(run(command)?.without(&subject.root).verdict())
}

fn shellcheck(subject: &Subject<'_>, path: &AbsolutePath, shell: &Program) -> Result<Verdict, Verdict> {
    let mut command = SHELLCHECK.command()?;
    command
        .args(["--norc", "--severity=warning", "--format=gcc", "--shell", shell.name])
        .arg(subject.at(path.as_str()));
    Ok(run(command)?.without(&subject.root).verdict())
}
