//! Folders that are made at the boot: `systemd-tmpfiles` makes them in an empty root that has the box's users.
//!
//! It is not root, so what it makes belongs to nobody: only what it says of a line of a file counts.

use super::{
    Outcome, Subject, Verdict, accounts,
    program::{Program, run},
};

const TMPFILES: Program = Program { name: "systemd-tmpfiles", package: Some("systemd") };
/// How it ends where it could not read a line, and where it could not make something (sysexits.h).
const DATA: i32 = 65;
const NOT_MADE: i32 = 73;
/// Where the tree has such lines.
const FILES: &str = "/etc/tmpfiles.d/";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let files: Vec<&str> = subject.texts_below(FILES).map(|(path, _)| path.as_str()).collect();
    match files.is_empty() {
        true => Vec::new(),
        false => vec![Outcome::of("systemd-tmpfiles", files.join(", "), judge(subject, &files))],
    }
}

fn judge(subject: &Subject<'_>, files: &[&str]) -> Result<Verdict, Verdict> {
    let mut tmpfiles = TMPFILES.command()?;
    let root = subject.folder("tmpfiles")?;
    accounts::populate(subject, &root)?;
    tmpfiles.arg("--create").arg("--root").arg(&root).args(files.iter().map(|path| subject.at(path)));
    let said = run(tmpfiles)?.without(&subject.root).without(&root);
    if !matches!(said.status, Some(0 | DATA | NOT_MADE)) {
        return Err(Verdict::Failed(said.text));
    }
    let complaints: Vec<&str> = said.text.lines().filter(|line| line.starts_with(FILES)).collect();
    Ok(if complaints.is_empty() { Verdict::Passed } else { Verdict::Failed(complaints.join("\n")) })
}
