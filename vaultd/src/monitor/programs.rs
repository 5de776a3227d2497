//! Which program a process runs. Of another user's process the kernel shows that only to who has CAP_SYS_PTRACE, who
//! may as well write into the memory of any process. So as a service the monitor does not have it, and asks a process
//! that has nothing else (`vaultd-programs@.service`).

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::opens::line::{self, Asking};
use crate::process::channel::Channel;

/// Where the system manager listens for us.
const SOCKET: &str = "/run/vaultd/programs";

/// How long an answer may take while a process waits to open a file.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long the first answer may take, for which a process is started.
const STARTING: Duration = Duration::from_secs(5);

/// Who was asked last.
static LINE: Mutex<Option<Arc<Asking>>> = Mutex::new(None);

/// The program of a process; nothing for a kernel's thread, or if it cannot be told.
pub fn of(pid: u32) -> Vec<u8> {
    match own_look(pid) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => ask(pid).unwrap_or_default(),
        seen => seen.unwrap_or_default(),
    }
}

/// Has somebody to ask started, before the first file is opened.
pub fn prepare() {
    let prepare = || {
        let line = call(STARTING)?;
        Asking::new(line.duplicate()?).ask(&std::process::id().to_ne_bytes())?;
        line.wait_at_most(Some(PATIENCE))?;
        remember(Some(Arc::new(Asking::new(line))));
        io::Result::Ok(())
    };
    // Where nobody listens, nobody has to: then we see all programs, or it is tried again when one is to be told.
    let _ = prepare();
}

/// Answers a monitor on standard input until it ends.
///
/// # Errors
/// It asks what is no question.
pub fn main() -> io::Result<()> {
    line::answer(&Channel::of_child()?, |question| {
        let pid = question.try_into().map(u32::from_ne_bytes);
        pid.ok().and_then(|pid| own_look(pid).ok()).unwrap_or_default()
    })
}

fn own_look(pid: u32) -> io::Result<Vec<u8>> {
    Ok(fs::read_link(format!("/proc/{pid}/exe"))?.into_os_string().into_vec())
}

fn ask(pid: u32) -> io::Result<Vec<u8>> {
    let question = pid.to_ne_bytes();
    let known = LINE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match known.map(|line| line.ask(&question)) {
        // Whoever does not answer in time is asked no more.
        Some(Err(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            remember(None);
            Err(error)
        }
        Some(Ok(program)) => Ok(program),
        // There is nobody yet, or not any more.
        Some(Err(_)) | None => {
            remember(None);
            let line = Asking::new(call(PATIENCE)?);
            let program = line.ask(&question)?;
            remember(Some(Arc::new(line)));
            Ok(program)
        }
    }
}

fn remember(line: Option<Arc<Asking>>) {
    *LINE.lock().unwrap_or_else(PoisonError::into_inner) = line;
}

fn call(patience: Duration) -> io::Result<Channel> {
    let channel = Channel::connect(SOCKET)?;
    channel.wait_at_most(Some(patience))?;
    Ok(channel)
}
