//! What is mounted: `findmnt --verify` reads fstab(5). Devices and folders of the machine are not here.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};

const FINDMNT: Program = Program { name: "findmnt", package: Some("util-linux") };
const FILE: &str = "/etc/fstab";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let file = subject.text(FILE).map(|_| Outcome::of("findmnt --verify", FILE, judge(subject)));
    file.into_iter().collect()
}

fn judge(subject: &Subject<'_>) -> Result<Verdict, Verdict> {
    let mut findmnt = FINDMNT.command()?;
    findmnt.args(["--verify", "--tab-file"]).arg(subject.at(FILE));
    let said = run(findmnt)?.without(&subject.root);
    // `[E]` is before what it calls an error; that something is not on this machine is none.
    let is_error = |line: &&str| {
        line.contains("parse error at") || (line.contains("[E]") && !line.contains("unreachable"))
    };
    let errors: Vec<&str> = said.text.lines().filter(is_error).collect();
    if !said.is_content() && !said.text.contains("unreachable") && errors.is_empty() {
        return Err(Verdict::Failed(said.text));
    }
    Ok(if errors.is_empty() { Verdict::Passed } else { Verdict::Failed(errors.join("\n")) })
}
