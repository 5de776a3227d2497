//! The demo of the README: it tells its story, and leaves nothing behind however it ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use fixtures::{
    machine::{Need, has},
    mount::wait_for,
    tree,
};
use rustix::process::{Pid, Signal, kill_process};

const NEEDS: [Need; 6] = [
    Need::Root,
    Need::Fuse,
    Need::Program("nginx"),
    Need::Program("curl"),
    Need::Program("ip"),
    Need::Program("setpriv"),
];
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/demo");
const PAGE: &str = "Served over TLS with a key that is on no disk.";

/// Runs the demo with `temporary` for its files. At the line that starts with `until` it gets
/// `signal`. Gives back what it printed and its exit status.
fn demo(temporary: &Path, until: Option<(&str, Signal)>) -> (Vec<String>, Option<i32>) {
    // A shell cannot trap what its caller ignores, as nohup(1) does with SIGHUP.
    let mut demo = Command::new("env")
        .args(["--default-signal", DEMO])
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo");
    let pid = Pid::from_child(&demo);
    let mut lines = Vec::new();
    for line in BufReader::new(demo.stdout.take().expect("its output")).lines() {
        let line = line.expect("a line of text");
        if let Some((_, signal)) = until.filter(|(start, _)| line.starts_with(start)) {
            kill_process(pid, signal).expect("a signal");
        }
        lines.push(line);
    }
    (lines, demo.wait().expect("an end").code())
}

#[track_caller]
fn expect_nothing_left(temporary: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let name = temporary.to_str().expect("a path");
    assert!(!mounts.contains(name), "a mount is left: {mounts}");
    assert_eq!(fs::read_dir(temporary).expect("the folder").count(), 0, "files are left in {name}");
    // What was killed may take a moment to be gone.
    wait_for("the end of all processes", || processes_with(name).is_empty());
}

/// The command lines that have a text in them.
fn processes_with(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let commands = processes.map(|process| fs::read(process.path().join("cmdline")).unwrap_or_default());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).into_owned());
    commands.filter(|command| command.contains(text)).collect()
}

#[test]
fn the_demo_serves_a_page_and_refuses_the_key() {
    if !has(&NEEDS) {
        return;
    }
    let folder = tree::folder();
    let (lines, status) = demo(folder.path(), None);
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line == PAGE), "{lines:#?}");
    expect_nothing_left(folder.path());
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    if !has(&NEEDS) {
        return;
    }
    for (step, signal, status) in
        [("1.", Signal::INT, 130), ("1.", Signal::HUP, 143), ("2.", Signal::TERM, 143)]
    {
        let folder = tree::folder();
        let (lines, ended) = demo(folder.path(), Some((step, signal)));
        assert_eq!(ended, Some(status), "{step} {lines:#?}");
        expect_nothing_left(folder.path());
    }
}
