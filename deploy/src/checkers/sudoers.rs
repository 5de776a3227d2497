//! Who may become root: visudo(8) reads each file of sudoers(5) by itself.
//!
//! What a file includes is looked at as a file of its own.

use std::fs;

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};
use crate::value::AbsolutePath;

const VISUDO: Program = Program { name: "visudo", package: Some("sudo") };
/// The main file, and the folder that it includes.
const FILES: &str = "/etc/sudoers";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let files = subject.texts_below(FILES);
    let judged =
        files.map(|(path, text)| Outcome::of("visudo -c", path.as_str(), judge(subject, path, text)));
    judged.collect()
}

fn judge(subject: &Subject<'_>, path: &AbsolutePath, text: &str) -> Result<Verdict, Verdict> {
    let mut visudo = VISUDO.command()?;
    let folder = subject.folder(&format!("sudoers{}", path.as_str().replace('/', "-")))?;
    let copy = folder.join("sudoers");
    fs::write(
        &copy,
        text.lines().filter(|line| !includes(line)).map(|line| format!("{line}\n")).collect::<String>(),
    )?;
    visudo.args(["--check", "--strict", "--file"]).arg(&copy);
    Ok(run(visudo)?.without(&copy).verdict())
}

/// Whether a line includes another file: `@includedir`, and `#includedir`, which is no comment.
fn includes(line: &str) -> bool {
    line.trim_start().strip_prefix(['@', '#']).is_some_and(|rest| rest.starts_with("include"))
}
