//! `--background`: a second process serves, the first returns once the files are readable.
//!
//! The second process is our own program started anew, not a fork: it inherits no thread, no
//! lock and no memory of the first.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

/// The line by which the child tells that the files are readable.
const READY: &str = "vaultd: ready";

/// Why nothing could be started in the background.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BackgroundError {
    /// The program could not be started.
    #[error("cannot start a background process")]
    #[diagnostic(help("check the limits of processes and memory, or run it without --background"))]
    Start(#[source] io::Error),
    /// The background process could not leave the session of its caller.
    #[error("cannot leave the caller's session")]
    #[diagnostic(help("run it without --background"))]
    Session(#[source] io::Error),
    /// The background process ended in an unknown way.
    #[error("the background process was killed before the files were readable")]
    #[diagnostic(help("see who killed it: journalctl -k, most likely for want of memory; then mount again"))]
    Killed,
}

/// Starts this program anew with `arguments` and waits until it calls [`let_go`].
///
/// Returns success then, or the status with which it ended before; it has said why itself.
///
/// # Errors
/// [`BackgroundError`].
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, BackgroundError> {
    let mut child = Command::new("/proc/self/exe")
        .arg0("vaultd")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(BackgroundError::Start)?;
    if says_ready(&mut child) {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().map_err(BackgroundError::Start)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map(ExitCode::from).ok_or(BackgroundError::Killed)
}

fn says_ready(child: &mut Child) -> bool {
    let Some(output) = child.stdout.take() else {
        return false;
    };
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    lines.any(|line| line == READY)
}

/// In the background process: leaves the caller's session, so that its terminal's signals and
/// end do not reach us.
///
/// # Errors
/// setsid(2) failed: the process was not started by [`start`].
pub fn leave_session() -> Result<(), BackgroundError> {
    rustix::process::setsid().map_err(|errno| BackgroundError::Session(errno.into()))?;
    Ok(())
}

/// In the background process: tells the caller that the files are readable, and lets go of its
/// directory and standard streams.
///
/// # Errors
/// The caller is gone, or `/dev/null` cannot be opened.
pub fn let_go() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    env::set_current_dir("/")?;
    let mut output = io::stdout();
    writeln!(output, "{READY}")?;
    output.flush()?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
