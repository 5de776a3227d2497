//! Who may read what, seen from other programs.

use std::process::Command;

use crate::stand::{CALLERS, Caller, Stand, file, installed};

/// `cat` in a process with the caller's credentials.
fn cat(caller: Caller, stand: &Stand, name: &str) -> Option<Vec<u8>> {
    let groups: Vec<String> = caller.groups.iter().map(u32::to_string).collect();
    let groups = match groups.is_empty() {
        true => "--clear-groups".to_owned(),
        false => format!("--groups={}", groups.join(",")),
    };
    let output = Command::new("setpriv")
        .args([format!("--reuid={}", caller.uid), format!("--regid={}", caller.gid), groups])
        .arg("cat")
        .arg(stand.path(name))
        .output()
        .expect("setpriv");
    output.status.success().then_some(output.stdout)
}

#[test]
fn each_caller_reads_what_the_mode_allows() {
    if !installed("setpriv") {
        return;
    }
    let modes = [("none", 0o000), ("owner", 0o400), ("group", 0o440), ("all", 0o444)];
    let files = modes.map(|(name, mode)| file(name, mode, name));
    let Some(stand) = Stand::serving(&files) else {
        return;
    };

    let readable: Vec<(&str, Vec<&str>)> = CALLERS
        .iter()
        .map(|caller| {
            let may = |name: &&str| cat(*caller, &stand, name).as_deref() == Some(name.as_bytes());
            (caller.name, modes.map(|(name, _)| name).into_iter().filter(may).collect())
        })
        .collect();

    let expected = [
        ("root", vec!["none", "owner", "group", "all"]),
        ("owner", vec!["owner", "group", "all"]),
        ("group", vec!["group", "all"]),
        ("supplementary group", vec!["group", "all"]),
        ("other", vec!["all"]),
    ];
    assert_eq!(readable, expected);
    stand.end();
}
