//! Asking a machine for its SSH host key, through the operator's own `ssh`: their known hosts, agent,
//! jump hosts and configuration decide whether it is the right machine.

use std::{
    io::{self, Read},
    process::{Child, Command, ExitStatus, Stdio},
    str::FromStr,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::report;

use crate::commands;

const PROGRAM: &str = "ssh";
/// Understood by every login shell. A machine without an ed25519 key still has an RSA one.
const QUESTION: &str = "cat /etc/ssh/ssh_host_ed25519_key.pub || cat /etc/ssh/ssh_host_rsa_key.pub";
/// Whatever the configuration has for an interactive session is of no use here.
const QUIET_SESSION: [&str; 9] =
    ["-T", "-x", "-a", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "ControlMaster=no"];
/// Most bytes of an answer; the line of an RSA key of 16,384 bits has 2,800.
const MAX_ANSWER: u64 = 8 * 1024;
/// How long the rest of what `ssh` has to say is waited for once it has ended: a connection that it
/// shares may hold its standard error for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What `ssh` calls a machine: a name, `USER@HOST`, `ssh://…` or an entry of the configuration.
#[derive(Clone, Debug)]
pub struct Host(String);

impl FromStr for Host {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.starts_with('-') {
            return Err("a host does not start with a dash");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a host has no spaces");
        }
        Ok(Self(text.to_owned()))
    }
}

/// What the machine says when it is asked for its host key. Whoever answers may say anything, so it is
/// still to be parsed.
///
/// # Errors
///
/// If `ssh` cannot be started, does not get in, or the answer is longer than any key.
pub fn for_host_key(host: &Host, batch: bool) -> Result<String, AskError> {
    let mut child = Command::new(PROGRAM)
        .args(QUIET_SESSION)
        .args(["-o", if batch { "BatchMode=yes" } else { "BatchMode=no" }])
        .args(["--", &host.0, QUESTION])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(AskError::Start)?;
    let said = listen(&mut child);
    let (answer, status) = answer(&mut child).map_err(AskError::Start)?;
    let said = said.recv_timeout(LAST_WORDS).unwrap_or_default();
    if answer.len() as u64 > MAX_ANSWER {
        return Err(AskError::TooLong(host.0.clone()));
    }
    if !status.success() {
        let said = if said.is_empty() { status.to_string() } else { said };
        return Err(AskError::Failed { host: host.0.clone(), said });
    }
    if !said.is_empty() {
        commands::warn(&format!("{PROGRAM} says: {said}"));
    }
    String::from_utf8(answer).map_err(|_| AskError::NotText(host.0.clone()))
}

/// Reads the answer, and ends a child that says more than a key.
fn answer(child: &mut Child) -> io::Result<(Vec<u8>, ExitStatus)> {
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_ANSWER + 1).read_to_end(&mut answer)?;
    }
    if answer.len() as u64 > MAX_ANSWER {
        // It may have ended by itself.
        let _ = child.kill();
    }
    Ok((answer, child.wait()?))
}

/// What comes on standard error, with nothing in it that a terminal would obey, and with a mark before
/// each further line that nobody takes for ours: part of it is the machine's own. What is beyond the limit is read and let go, or `ssh` would wait for us.
fn listen(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut errors) = child.stderr.take() {
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.by_ref().take(MAX_ANSWER).read_to_end(&mut said);
            let _ = io::copy(&mut errors, &mut io::sink());
            let said = String::from_utf8_lossy(&said).replace('\r', "");
            let _ = sender.send(report::visible(said.trim()).replace('\n', "\n  | "));
        });
    }
    receiver
}

/// Why a machine gave no answer.
#[derive(Debug, Error, Diagnostic)]
pub enum AskError {
    #[error("cannot run {PROGRAM}")]
    #[diagnostic(help(
        "install OpenSSH's client, or copy the key by hand and name it with --ssh-host-key FILE"
    ))]
    Start(#[source] io::Error),
    #[error("{host} could not be asked for its host key: {said}")]
    #[diagnostic(help(
        "try `ssh {host}` first: it must get in, and the machine must be among your known hosts"
    ))]
    Failed { host: String, said: String },
    #[error("{0} answers with more than a host key")]
    #[diagnostic(help(
        "look at what it prints when you log in; or copy the key by hand and name it with --ssh-host-key FILE"
    ))]
    TooLong(String),
    #[error("{0} answers with something that is no text")]
    #[diagnostic(help(
        "look at what it prints when you log in; or copy the key by hand and name it with --ssh-host-key FILE"
    ))]
    NotText(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_never_an_option() {
        for host in ["web-1", "root@web-1.example.org", "ssh://root@[::1]:2222"] {
            assert!(host.parse::<Host>().is_ok(), "{host}");
        }
        for host in ["", "-oProxyCommand=id", "-", "a b", "a\nb", "a\u{1b}b"] {
            assert!(host.parse::<Host>().is_err(), "{host:?} was taken");
        }
    }
}
