//! Descriptors that the service manager kept for us (sd_listen_fds(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes them, each with its name. Whoever comes second gets none.
///
/// # Errors
/// The environment tells something that cannot be.
pub fn take() -> io::Result<Vec<(String, OwnedFd)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(Vec::new());
    }
    let inherited = sd_notify::listen_fds_with_names()?;
    // SAFETY: the service manager opened these numbers for this very process (`LISTEN_PID`), `listen_fds_with_names`
    // has just used each, so it is open, and it is given away once: nobody else takes what was inherited.
    Ok(inherited.map(|(number, name)| (name, unsafe { OwnedFd::from_raw_fd(number) })).collect())
}
