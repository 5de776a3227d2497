//! Taking everything from a process that it does not need, for good.
//!
//! Each child of the monitor is confined right after it was started, while it has one thread: what
//! the kernel calls a process's user and capabilities are each thread's own. What it still needs,
//! it was given as descriptors.

mod calls;
mod credentials;
mod files;

use std::io;
use std::os::fd::BorrowedFd;

use rustix::process::Signal;
use rustix::thread::CapabilitySet;

pub(super) use calls::restrict as restrict_calls;
pub use credentials::Account;

use super::memory::{Locking, Residency};
use super::process::{self, ProcessError};

/// What a process is for, which decides the system calls that it may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers the kernel from descriptors that it was given. Opens nothing.
    Server,
    /// As the server; also makes memory objects.
    Decryptor,
    /// As the server; also reads files and makes memory objects. Has no plaintext to lock.
    Verifier,
    /// Opens by path, as root, what lies on a file system that may hang. It is not confined: it does nothing else,
    /// and reads nothing.
    Opener,
    /// Looks up names through NSS, whose modules read files and talk to daemons. It keeps all
    /// system calls and files of its user, and has no plaintext.
    Resolver,
    /// As the server, without plaintext: writes to the device, and may wait in the kernel as nobody else may.
    Forgetter,
}

impl Role {
    fn has_plaintext(self) -> bool {
        matches!(self, Self::Server | Self::Decryptor)
    }
}

/// What is left to a process.
#[derive(Debug)]
pub struct Confinement<'a> {
    /// What the process is for.
    pub role: Role,
    /// Whom it runs as, in no other group.
    pub account: Account,
    /// Capabilities that it keeps: none, or CAP_DAC_READ_SEARCH for a verifier. A process with
    /// plaintext also keeps CAP_IPC_LOCK where the limit of locked memory cannot be lifted.
    pub kept: CapabilitySet,
    /// What to do where its memory cannot be locked.
    pub locking: Locking,
    /// Folders and files below which it may read, as far as its user may.
    pub readable: &'a [BorrowedFd<'a>],
    /// Folders below which it may also write: the store.
    pub writable: &'a [BorrowedFd<'a>],
}

/// How far a kernel went along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confined {
    /// Whether all memory of the process is locked.
    pub residency: Residency,
    /// The version of Landlock's rules that is enforced; none where the kernel has no Landlock or
    /// the role does not use it.
    pub landlock: Option<u32>,
}

/// Why a process could not be confined. It must not go on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfineError {
    /// The threads that are not the calling one would keep everything.
    #[error("cannot confine a process of {0} threads")]
    Threads(usize),
    /// The threads could not be counted.
    #[error("cannot read /proc/self/task")]
    Proc(#[source] io::Error),
    /// The user or its groups could not be changed.
    #[error("cannot become user {user}")]
    Credentials {
        /// Number of the user.
        user: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// Capabilities could not be given up.
    #[error("cannot give up capabilities")]
    Capabilities(#[source] io::Error),
    /// It could not be tied to the life of its parent.
    #[error("cannot end with the monitor")]
    Orphan(#[source] io::Error),
    /// Core dumps could not be switched off, or memory not locked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(#[from] ProcessError),
    /// Landlock's rules could not be made or enforced.
    #[error("cannot restrict access to files")]
    Files(#[from] landlock::RulesetError),
    /// The system calls could not be restricted.
    #[error("cannot restrict system calls")]
    #[diagnostic(help("vaultd needs a kernel with seccomp filters (CONFIG_SECCOMP_FILTER)"))]
    Calls(#[from] seccompiler::Error),
}

/// Confines the calling process, which has one thread and is root's.
///
/// # Errors
/// [`ConfineError`]: it has more threads, or the kernel refused something that is not optional.
pub fn confine(confinement: &Confinement<'_>) -> Result<Confined, ConfineError> {
    refuse_threads()?;
    let (residency, locks) = match confinement.role.has_plaintext() {
        true => process::lock_memory_for_good(confinement.locking)?,
        false => (Residency::Swappable, CapabilitySet::empty()),
    };
    credentials::give_up(confinement.account, confinement.kept | locks)?;
    // Who reads orders ends when nobody gives any; this is for who hangs, or is stopped. A change of user undoes it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|errno| ConfineError::Orphan(errno.into()))?;
    // The kernel makes a process dumpable, or not, anew when its user changes.
    process::forbid_dumps()?;
    if matches!(confinement.role, Role::Resolver | Role::Opener) {
        return Ok(Confined { residency, landlock: None });
    }
    let landlock = files::restrict(confinement.readable, confinement.writable)?;
    calls::restrict(confinement.role)?;
    Ok(Confined { residency, landlock })
}

fn refuse_threads() -> Result<(), ConfineError> {
    match std::fs::read_dir("/proc/self/task").map_err(ConfineError::Proc)?.count() {
        1 => Ok(()),
        several => Err(ConfineError::Threads(several)),
    }
}
