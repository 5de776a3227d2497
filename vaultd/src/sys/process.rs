//! What the whole process gives up before it touches a secret.

use std::io;

use rustix::mm::MlockAllFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

use super::memory::{LOCK_HINT, Locking, Residency};

/// Why the process could not be made safe.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ProcessError {
    /// Core dumps or tracing could not be switched off.
    #[error("cannot switch off core dumps")]
    Dumps(#[source] io::Error),
    /// Memory could not be kept out of swap.
    #[error("cannot lock the memory of this process against swapping")]
    #[diagnostic(help("{LOCK_HINT}"))]
    Lock(#[source] io::Error),
}

/// No core dump, and no ptrace(2) by processes of the same user (PR_SET_DUMPABLE(2const)).
///
/// # Errors
/// [`ProcessError::Dumps`] with what the kernel said.
pub fn forbid_dumps() -> Result<(), ProcessError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)
        .and_then(|()| rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|errno| ProcessError::Dumps(errno.into()))
}

/// Locks all memory of the process, present and future, as it is touched (mlockall(2)):
/// libraries make copies that we cannot see.
///
/// # Errors
/// [`ProcessError::Lock`] when memory cannot be locked and `locking` requires it.
pub fn lock_memory(locking: Locking) -> Result<Residency, ProcessError> {
    raise_lock_limit();
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    locking.judge(rustix::mm::mlockall(flags)).map_err(ProcessError::Lock)
}

/// Raises the soft limit as far as the hard one allows. Failing is fine: locking then tells.
fn raise_lock_limit() {
    let limit = rustix::process::getrlimit(Resource::Memlock);
    let _ = rustix::process::setrlimit(Resource::Memlock, Rlimit { current: limit.maximum, ..limit });
}
