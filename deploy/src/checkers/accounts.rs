//! Users and groups: `systemd-sysusers` makes them in an empty root that has Debian's own; there each has its number.

use std::{fs, path::Path};

use super::{
    Outcome, Subject, Verdict,
    program::{Program, hand_over, run},
};

const CHECKER: &str = "systemd-sysusers";
pub(super) const SYSUSERS: Program = Program { name: "systemd-sysusers", package: Some("systemd") };
/// Where the tree has its users and groups.
const FILES: &str = "/etc/sysusers.d/";
/// The users and groups that every Debian has, where the package base-passwd is.
const DEBIAN: [(&str, &str); 2] =
    [("passwd", "/usr/share/base-passwd/passwd.master"), ("group", "/usr/share/base-passwd/group.master")];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let files = subject.texts_below(FILES).map(|(path, _)| path.as_str());
    let files: Vec<&str> = files.collect();
    match files.is_empty() {
        true => Vec::new(),
        false => vec![Outcome::of(CHECKER, files.join(", "), judge(subject))],
    }
}

fn judge(subject: &Subject<'_>) -> Result<Verdict, Verdict> {
    let root = subject.folder("accounts")?;
    let said = populate(subject, &root)?;
    // It goes on after a line that it cannot read, and ends well.
    let complaints = said.lines().filter(|line| !line.starts_with("Creating ")).map(str::to_owned);
    let mut complaints: Vec<String> = complaints.collect();
    let passwd = fs::read_to_string(root.join("etc/passwd"))?;
    for (name, user) in &subject.resolved.system.users {
        let begins = format!("{name}:x:{uid}:{uid}:", uid = user.value.uid);
        if !passwd.lines().any(|line| line.starts_with(&begins)) {
            complaints.push(format!("the user {name} does not get the number {}", user.value.uid));
        }
    }
    Ok(if complaints.is_empty() { Verdict::Passed } else { Verdict::Failed(complaints.join("\n")) })
}

/// Makes the users and groups of the tree in a root, beside those of Debian; gives back what was said.
pub(super) fn populate(subject: &Subject<'_>, root: &Path) -> Result<String, Verdict> {
    let mut sysusers = SYSUSERS.command()?;
    let etc = root.join("etc");
    fs::create_dir(&etc)?;
    for (name, master) in DEBIAN {
        fs::write(etc.join(name), fs::read_to_string(master).unwrap_or_default())?;
        hand_over(&etc.join(name))?;
    }
    hand_over(&etc)?;
    let files = subject.texts_below(FILES).map(|(path, _)| subject.at(path.as_str()));
    sysusers.arg("--root").arg(root).args(files);
    Ok(run(sysusers)?.without(&subject.root).without(root).text)
}
