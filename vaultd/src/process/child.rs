//! Starting our own program in one of its roles.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use miette::Diagnostic;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vault_format::report;

use super::channel::Channel;
use super::{Answer, Role, last_words};
use crate::sys::store::wipe;

impl Role {
    /// The verb that starts it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Opener => "opener",
            Self::Verifier => "verifier",
            Self::Resolver => "resolver",
            Self::Decryptor => "decryptor",
            Self::Forgetter => "forgetter",
            Self::Server => "server",
        }
    }

    /// How long it may take to answer: much longer than it ever needs, where nothing hangs.
    #[must_use]
    pub fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Opener => 20,
            // It gives up much earlier of its own accord.
            Self::Resolver => 60,
            // The kernel waits for a server, or for the next one.
            Self::Forgetter => 60,
            // A large vault may lie on a slow network.
            Self::Verifier => 10 * 60,
            Self::Decryptor | Self::Server => 60 * 60,
        })
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
    /// It takes too long.
    #[error("the {} has not answered within {}", .0.verb(), humantime::format_duration(.0.patience()))]
    #[diagnostic(help(
        "a file system hangs, as one over a network may: see that `ls` of the folders of the vault, the signers and the identities returns"
    ))]
    Late(Role),
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
    /// What it was about to fill with plaintext; wiped at its end, unless somebody uses it.
    filling: Vec<File>,
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
            thread::spawn(move || last_words::relay(&mut last_words, &mut io::stderr()));
        }
        Ok(Self { role, process, filling: Vec::new(), channel })
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

    /// Ends it, since it does nothing any more of its own accord.
    ///
    /// # Errors
    /// It is no child of this process any more.
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.process.kill()?;
        match self.ends_soon() {
            true => self.process.wait(),
            // Somebody traces it, or it waits in the kernel; it does nothing more.
            false => Ok(ExitStatus::from_raw(Signal::KILL.as_raw())),
        }
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
        &mut self,
        order: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(T, Vec<OwnedFd>), ChildError> {
        let role = self.role;
        let silent = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ChildError::Late(role),
            _ => ChildError::Silent(role, error),
        };
        self.channel.wait_at_most(Some(role.patience())).map_err(silent)?;
        self.channel.send(order, descriptors).map_err(silent)?;
        loop {
            match self.channel.receive().map_err(silent)? {
                Some((Answer::Filling, objects)) => self.filling.extend(objects.into_iter().map(File::from)),
                Some((Answer::Done(answer), received)) => return Ok((answer, received)),
                Some((Answer::Failed(text), _)) => return Err(ChildError::Refused(text)),
                None => return Err(silent(io::ErrorKind::UnexpectedEof.into())),
            }
        }
    }

    /// Somebody uses what it filled, and wipes it in the end.
    pub fn is_taken_over(&mut self) {
        self.filling.clear();
    }
}

fn wipe_all(objects: &[File]) {
    for object in objects {
        // It cannot fail on memory that is there; and if it did, the memory would go unwiped with the object.
        let _ = wipe(object);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It fails only for one that has ended, which is what we want.
        let _ = self.process.kill();
        let filling = std::mem::take(&mut self.filling);
        if matches!(self.process.try_wait(), Ok(None)) && !self.ends_soon() {
            // The kernel kills nobody who waits for a file system that hangs, before that answers.
            let pid = Pid::from_child(&self.process);
            thread::spawn(move || {
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                wipe_all(&filling);
            });
            return;
        }
        let _ = self.process.wait();
        // Not before it is gone: it could go on filling.
        wipe_all(&filling);
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
