//! What the whole process gives up before it touches a secret.

use std::io;

use rustix::io::Errno;
use rustix::mm::MlockAllFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::CapabilitySet;

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

/// Offers this process as the one to be ended where the machine runs out of memory (`oom_score_adj`, proc(5)). It
/// takes what it has read along, whatever that was, and everybody else stays.
pub fn end_first() {
    // Without it the kernel chooses by size, which is this one as a rule.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Raises the limit of descriptors as far as it goes, for this process and those that it starts: each large file
/// of each generation needs some, and the usual limit is made for select(2), which nobody uses here.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // Where it stays as it is, a vault with too many large files is refused.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
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

/// As [`lock_memory`], for a process that gives up its privileges afterwards and goes on to use more
/// memory. Its limit is taken away, since all address space that is reserved counts; where that is
/// not allowed, it must keep the capability that is returned, which allows to lock memory and
/// nothing else.
///
/// # Errors
/// [`ProcessError::Lock`] when memory cannot be locked and `locking` requires it.
pub fn lock_memory_for_good(locking: Locking) -> Result<(Residency, CapabilitySet), ProcessError> {
    let needed = if lift_lock_limit() { CapabilitySet::empty() } else { CapabilitySet::IPC_LOCK };
    let outcome = rustix::thread::capabilities(None).and_then(|held| match held.effective.contains(needed) {
        true => Ok(()),
        false => Err(Errno::PERM),
    });
    let allowed = locking.judge(outcome).map_err(ProcessError::Lock)?;
    match allowed {
        Residency::Locked => Ok((lock_memory(locking)?, needed)),
        Residency::Swappable => Ok((allowed, CapabilitySet::empty())),
    }
}

/// Whether memory may be locked without a limit from now on.
fn lift_lock_limit() -> bool {
    let unlimited = Rlimit { current: None, maximum: None };
    rustix::process::getrlimit(Resource::Memlock).current.is_none()
        || rustix::process::setrlimit(Resource::Memlock, unlimited).is_ok()
}

/// Raises the soft limit as far as the hard one allows. Failing is fine: locking then tells.
fn raise_lock_limit() {
    let limit = rustix::process::getrlimit(Resource::Memlock);
    let _ = rustix::process::setrlimit(Resource::Memlock, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::raise_descriptor_limit;

    #[test]
    fn there_are_descriptors_for_more_than_a_thousand_objects() {
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
