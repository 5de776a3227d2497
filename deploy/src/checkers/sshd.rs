//! OpenSSH's server: sshd(8) with `-t` and `-T` reads its configuration and its keys, and says what it does not take.
//!
//! The host key, which is born on the machine, is one made for the check; `Include` of the machine's own folder is one
//! of the tree's.

use std::fs;

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};

const SSHD: Program = Program { name: "sshd", package: Some("openssh-server") };
const SSH_KEYGEN: Program = Program { name: "ssh-keygen", package: Some("openssh-client") };
/// The main file. Where it is Debian's own, ours are those that it includes.
const MAIN: &str = "/etc/ssh/sshd_config";
/// Where lists of public keys may be.
const KEYS: &str = "/etc/ssh/";
/// The folder that it includes.
const PARTS: &str = "/etc/ssh/sshd_config.d/";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let parts = subject.texts_below(PARTS).map(|(path, _)| path.to_string());
    let files: Vec<String> = subject.text(MAIN).map(|_| MAIN.to_owned()).into_iter().chain(parts).collect();
    let judged = (!files.is_empty()).then(|| Outcome::of("sshd -t", files.join(", "), judge(subject)));
    let keys = subject.texts_below(KEYS).filter(|(path, _)| path.as_str().contains("authorized_keys"));
    let keys =
        keys.map(|(path, _)| Outcome::of("ssh-keygen -l", path.as_str(), keys_of(subject, path.as_str())));
    judged.into_iter().chain(keys).collect()
}

/// Who may log in: a list of public keys.
fn keys_of(subject: &Subject<'_>, path: &str) -> Result<Verdict, Verdict> {
    let mut keygen = SSH_KEYGEN.command()?;
    keygen.arg("-l").arg("-f").arg(subject.at(path));
    Ok(run(keygen)?.without(&subject.root).verdict())
}

fn judge(subject: &Subject<'_>) -> Result<Verdict, Verdict> {
    let mut sshd = SSHD.command()?;
    let folder = subject.folder("sshd")?;
    let key = folder.join("host_key");
    let mut keygen = SSH_KEYGEN.command()?;
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
    let made = run(keygen)?;
    if !made.is_content() {
        return Err(Verdict::Failed(made.text));
    }
    let main = folder.join("sshd_config");
    fs::write(&main, configuration(subject))?;
    // The keys of the command line take the place of those of the configuration.
    sshd.arg("-t").arg("-f").arg(&main).arg("-h").arg(&key);
    Ok(run(sshd)?.without(&subject.root).verdict())
}

/// The main file with what it includes in its place.
fn configuration(subject: &Subject<'_>) -> String {
    let debian = format!("Include {PARTS}*.conf\n");
    let main = subject.text(MAIN).unwrap_or(&debian);
    let lines = main.lines().filter(|line| !is_host_key(line)).map(|line| here(subject, line) + "\n");
    lines.collect()
}

fn is_host_key(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("HostKey"))
}

/// A line that includes files of the tree by their places here.
fn here(subject: &Subject<'_>, line: &str) -> String {
    let mut words = line.split_whitespace();
    match words.next() {
        Some(word) if word.eq_ignore_ascii_case("Include") => {
            let here = |path: &str| format!("\"{}\"", subject.at(path).display());
            format!("Include {}", words.map(here).collect::<Vec<_>>().join(" "))
        }
        _ => line.to_owned(),
    }
}
