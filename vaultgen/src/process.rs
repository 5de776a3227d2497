//! What the process does to keep its own memory private.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Keeps plaintext out of core dumps, and on Linux out of reach of other processes of the same
/// user (ptrace(2), `/proc/PID/mem`).
///
/// Neither call can fail for a process that only gives something up; if one did, going on would
/// still be no worse than without.
pub fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
