use std::{fs, path::Path};

use deploy::formats::line::{Sysusers, Tmpfiles};
use fixtures::{
    command::program,
    machine::{self, Need},
    tree,
};

use crate::value;

/// Runs one of the two on a file of lines, in a system that is a folder.
fn run(name: &str, options: &[&str], root: &Path, lines: &str) {
    fs::create_dir(root.join("etc")).expect("etc");
    let file = root.join("lines.conf");
    fs::write(&file, lines).expect("lines");
    let ended = program(name).arg(format!("--root={}", root.display())).args(options).arg(&file).succeeds();
    assert_eq!(ended.errors.lines().find(|line| line.contains("lines.conf:")), None, "{ended}");
}

/// A home folder that nothing is simplified in.
fn home(value: &str) -> String {
    format!("/home/u{}", value.replace('/', ""))
}

#[test]
fn systemd_sysusers_reads_what_was_written() {
    if !machine::has(&[Need::Root, Need::Program("systemd-sysusers")]) {
        return;
    }
    value::each(60, |values| {
        let root = tree::folder();
        let written = value::written(&values, 6, |value| {
            Sysusers::new("u", "odoo")?.literal("-").text(value)?.text(&home(value)).map(drop)
        });
        let line = |number: usize, value: &str| {
            let line = Sysusers::new("u", &format!("u{number}")).expect("a name").literal("-");
            line.text(value).and_then(|line| line.text(&home(value))).expect("written before").render()
        };
        let lines = written.iter().enumerate().map(|(number, (value, ()))| line(number, value));
        run("systemd-sysusers", &[], root.path(), &lines.collect::<String>());
        let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap_or_default();
        for (number, (value, ())) in written.iter().enumerate() {
            let name = format!("u{number}");
            let user = users.split('\n').map(|user| user.split(':').collect::<Vec<&str>>());
            let user = user.clone().find(|user| user[0] == name).expect("the user");
            assert_eq!((user[4], user[5]), (*value, home(value).as_str()));
        }
    });
}

#[test]
fn systemd_tmpfiles_reads_what_was_written() {
    if !machine::has(&[Need::Root, Need::Program("systemd-tmpfiles")]) {
        return;
    }
    value::each(60, |values| {
        let root = tree::folder();
        let folder = |number: usize| format!("/folder{number}");
        let mut lines = String::new();
        let paths = value::written(&values, 6, |value| {
            let path = format!("/folder{}", home(value));
            Ok((path.clone(), Tmpfiles::new("d", &path)?.literal("0755 root root -").render()))
        });
        paths.iter().for_each(|(_, (_, line))| lines += line);
        let arguments = value::written(&values, 1, |value| {
            if value.is_empty() { Ok(String::new()) } else { argument("f", "/f", value) }
        });
        for (number, (value, _)) in arguments.iter().enumerate().filter(|(_, (value, _))| !value.is_empty()) {
            lines += &argument("f", &folder(number), value).expect("written before");
            lines += &argument("L+", &format!("/link{number}"), value).expect("written before");
        }
        run("systemd-tmpfiles", &["--create"], root.path(), &lines);
        for (_, (path, _)) in &paths {
            assert!(root.path().join(&path[1..]).is_dir(), "{path:?}");
        }
        for (number, (value, _)) in arguments.iter().enumerate().filter(|(_, (value, _))| !value.is_empty()) {
            let file = fs::read_to_string(root.path().join(format!("folder{number}"))).expect("the file");
            assert_eq!(file, *value);
            let link = fs::read_link(root.path().join(format!("link{number}"))).expect("the link");
            assert_eq!(link.to_str(), Some(*value));
        }
    });
}

fn argument(kind: &'static str, path: &str, value: &str) -> Result<String, deploy::formats::Unwritable> {
    Ok(Tmpfiles::new(kind, path)?.literal("0644 root root -").argument(value)?.render())
}
