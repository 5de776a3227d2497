//! Where the system manager keeps the processes of a unit.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::opens::Process;

/// How long the system manager may take. It may be busy with starting a whole machine.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Most bytes of an answer: far more than a path.
const MOST: usize = 16 * 1024;

/// What `systemctl` prints of a unit: its control group in a line, which is empty if it does not run. Nothing at all
/// if the system manager does not answer. As root it is asked without D-Bus, so also while that is not up.
#[must_use]
pub fn control_group(unit: &[u8]) -> Vec<u8> {
    properties(OsStr::from_bytes(unit), &["ControlGroup"]).unwrap_or_default()
}

/// The values of some properties of a unit, a line each, in an order that the system manager chooses.
///
/// # Errors
/// It does not answer, or not in time.
pub fn properties(unit: &OsStr, names: &[&str]) -> io::Result<Vec<u8>> {
    let named = names.iter().map(|name| format!("--property={name}"));
    let mut systemctl = Command::new("systemctl");
    systemctl.arg("show").args(named).args((names.len() == 1).then_some("--value")).arg("--").arg(unit);
    ask(systemctl)
}

/// Whether the system manager is about to start our own unit again, once this process has ended.
///
/// # Errors
/// It does not answer, or not in time.
pub fn is_restarted() -> io::Result<bool> {
    let process = Process::new(&fs::read("/proc/self/cgroup")?, b"");
    let Some(unit) = process.unit() else { return Ok(false) };
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["list-jobs", "--no-legend", "--plain", "--", unit]);
    // Number, unit, what is to be done, how far it is.
    let jobs = String::from_utf8_lossy(&ask(systemctl)?).into_owned();
    Ok(jobs.lines().any(|job| job.split_whitespace().skip(1).take(2).eq([unit, "restart"])))
}

fn ask(mut systemctl: Command) -> io::Result<Vec<u8>> {
    let mut systemctl =
        systemctl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let read = systemctl.stdout.take().ok_or(io::ErrorKind::BrokenPipe.into()).and_then(read_in_time);
    if read.is_err() {
        // It fails for one that has ended.
        let _ = systemctl.kill();
    }
    succeeded(systemctl)?;
    read
}

fn succeeded(mut systemctl: Child) -> io::Result<()> {
    match systemctl.wait()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("systemctl: {status}"))),
    }
}

/// All that comes until the other end is closed.
fn read_in_time(mut output: ChildStdout) -> io::Result<Vec<u8>> {
    let end = Instant::now() + LIMIT;
    let mut all = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut ready = [PollFd::new(&output, PollFlags::IN)];
        match rustix::event::poll(&mut ready, Some(&left)) {
            Err(rustix::io::Errno::INTR) => continue,
            outcome if outcome? == 0 => return Err(io::ErrorKind::TimedOut.into()),
            _ => {}
        }
        match output.read(&mut buffer)? {
            0 => return Ok(all),
            more if all.len() + more > MOST => return Err(io::ErrorKind::InvalidData.into()),
            more => all.extend(&buffer[..more]),
        }
    }
}
