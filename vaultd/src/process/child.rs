//! Starting our own program in one of its roles.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use miette::Diagnostic;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vault_format::report;

use super::channel::Channel;
use super::{Answer, Role};

impl Role {
    /// The verb that starts it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Resolver => "resolver",
            Self::Decryptor => "decryptor",
            Self::Server => "server",
        }
    }
}

/// How long a child may leave its orders unread.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a child did not do what it was for.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ChildError {
    /// It could not be started.
    #[error("cannot start the {}", .0.verb())]
    #[diagnostic(help(
        "check the limits of processes, memory and descriptors (TasksMax, MemoryMax, LimitNOFILE of the unit)"
    ))]
    Start(Role, #[source] io::Error),
    /// It could not be spoken to, or did not answer.
    #[error("the {} ended without an answer", .0.verb())]
    #[diagnostic(help(
        "see its last words: `journalctl -u vaultd`, or where `vaultd mount` writes its errors; if there are none it was killed, most likely for want of memory (`journalctl -k`)"
    ))]
    Silent(Role, #[source] io::Error),
    /// Its answer cannot be used.
    #[error("cannot use what the {} answered", .0.verb())]
    #[diagnostic(help("try again; if it stays so, report it: that is a fault of vaultd"))]
    Answer(Role, #[source] io::Error),
    /// It says no, in words for people.
    #[error("{}", .0.trim_start_matches("error: "))]
    Refused(String),
}

/// A process of ours. One that is dropped before it ended is killed.
#[derive(Debug)]
pub struct Child {
    role: Role,
    process: std::process::Child,
    /// Where it gets its orders and answers.
    pub channel: Channel,
}

impl Child {
    /// Starts one. It leaves the session by [`leave_terminal`].
    ///
    /// # Errors
    /// [`ChildError::Start`].
    pub fn start(role: Role) -> Result<Self, ChildError> {
        let failed = |error| ChildError::Start(role, error);
        let (channel, its_end) = Channel::pair().map_err(failed)?;
        channel.push_at_most(PATIENCE).map_err(failed)?;
        let mut process = Command::new("/proc/self/exe")
            .arg0("vaultd")
            .arg(role.verb())
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(its_end))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // Relayed, not inherited: what our own standard error is may change while a child lives.
        if let Some(mut last_words) = process.stderr.take() {
            thread::spawn(move || io::copy(&mut last_words, &mut io::stderr()));
        }
        Ok(Self { role, process, channel })
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it, if it has not ended of its own accord, and tells how that was.
    ///
    /// # Errors
    /// It is no child of this process any more.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        // It has let go of its socket, so it ends; unless it is stuck.
        if self.process.try_wait()?.is_none() && !self.ends_soon() {
            self.process.kill()?;
        }
        self.process.wait()
    }

    /// Whether it ends within a second.
    fn ends_soon(&self) -> bool {
        let pid = Pid::from_child(&self.process);
        let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let mut ready = [PollFd::new(&process, PollFlags::IN)];
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        rustix::event::poll(&mut ready, Some(&second)).is_ok_and(|ended| ended > 0)
    }

    /// Gives it its one order, and waits for its one answer.
    ///
    /// # Errors
    /// [`ChildError`].
    pub fn ask<T: DeserializeOwned>(
        &self,
        order: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(T, Vec<OwnedFd>), ChildError> {
        let silent = |error| ChildError::Silent(self.role, error);
        self.channel.send(order, descriptors).map_err(silent)?;
        match self.channel.receive().map_err(silent)? {
            Some((Answer::Done(answer), received)) => Ok((answer, received)),
            Some((Answer::Failed(text), _)) => Err(ChildError::Refused(text)),
            None => Err(silent(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only for one that has ended, which is what we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In a child, first of all: leaves the monitor's terminal, whose signals are the monitor's to answer, and into
/// which a name service's module could otherwise type.
///
/// # Errors
/// setsid(2) failed: the process was not started by [`Child::start`].
pub fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// What a child answers when it fails: short enough for a message, however much is wrong.
#[must_use]
pub fn refusal<T>(error: &dyn Diagnostic) -> Answer<T> {
    const MOST: usize = 24 * 1024;
    let mut text = report::render(error);
    if let Some(cut) = (0..=MOST).rev().find(|at| text.len() > MOST && text.is_char_boundary(*at)) {
        text.truncate(cut);
        text.push_str("\n… and more of the kind");
    }
    Answer::Failed(text)
}
