//! A confined process, as its parent sees it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use fixtures::machine::{Need, has};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// Tells this program to be the child.
pub const FLAG: &str = "--confined";
/// What lies in the folder that a verifier may read.
pub const FILE: &str = "file";

pub struct Confined {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What the child said of its confinement.
    pub greeting: String,
    _folder: TempDir,
}

impl Confined {
    /// `None`, with the reason printed, where nobody can be confined.
    pub fn start(role: &str) -> Option<Self> {
        has(&[Need::Root]).then(|| Self::spawn(role))
    }

    fn spawn(role: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), "bytes").expect("a file");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
        let mut process = Command::new(env::current_exe().expect("this program"))
            .arg(FLAG)
            .arg(role)
            .arg(folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a child");
        let input = process.stdin.take().expect("its input");
        let mut output = BufReader::new(process.stdout.take().expect("its output"));
        let mut greeting = String::new();
        output.read_line(&mut greeting).expect("a greeting");
        assert!(role == "threads" || greeting.starts_with("Confined"), "{role}: {greeting}");
        Self { process, input, output, greeting: greeting.trim().to_owned(), _folder: folder }
    }

    /// Has the child try something; the name of the error if it failed.
    pub fn tries(&mut self, attempt: &str) -> Result<(), String> {
        writeln!(self.input, "{attempt}").expect("an order");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("an answer");
        match answer.trim() {
            "done" => Ok(()),
            "" => panic!("the child died of {attempt}"),
            error => Err(error.to_owned()),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// A line of its `/proc/PID/status`.
    pub fn status(&self, key: &str) -> String {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key} in {status}")).trim().to_owned()
    }

    /// Gives an order that it does not survive.
    pub fn ends(mut self, attempt: &str) -> ExitStatus {
        writeln!(self.input, "{attempt}").expect("an order");
        self.process.wait().expect("its end")
    }

    pub fn killed_by(mut self, signal: Signal) -> ExitStatus {
        rustix::process::kill_process(self.pid(), signal).expect("a signal");
        self.process.wait().expect("its end")
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
