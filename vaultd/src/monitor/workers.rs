//! Asking the short-lived processes, one at a time. Whoever stops does not wait for an answer: a vault on a file
//! system that hangs, or a name service that does, must not keep a mount from being ended.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::process::channel::Channel;
use crate::process::{Child, ChildError, Role};

/// The processes that load a vault.
#[derive(Debug, Default)]
pub struct Workers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the one answers that is asked now.
    asked: Option<Channel>,
    stopped: bool,
}

impl Workers {
    /// Starts a process, gives it its one order, and has `take` make something of its one answer and what came
    /// along before the process is ended.
    ///
    /// # Errors
    /// [`ChildError`].
    pub fn ask<A: DeserializeOwned, T>(
        &self,
        role: Role,
        order: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
        take: impl FnOnce(A, Vec<OwnedFd>) -> io::Result<T>,
    ) -> Result<T, ChildError> {
        let mut child = self.start(role)?;
        let answer = child.ask(order, descriptors);
        self.state().asked = None;
        let (answer, received) = answer?;
        let taken = take(answer, received).map_err(|error| ChildError::Answer(role, error))?;
        child.is_taken_over();
        Ok(taken)
    }

    /// Ends the one that is asked now, if there is one, and lets nobody be asked any more.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        if let Some(asked) = state.asked.take() {
            asked.hang_up();
        }
    }

    fn start(&self, role: Role) -> Result<Child, ChildError> {
        let failed = |error| ChildError::Start(role, error);
        let mut state = self.state();
        if state.stopped {
            return Err(failed(io::ErrorKind::Interrupted.into()));
        }
        let child = Child::start(role)?;
        state.asked = Some(child.channel.duplicate().map_err(failed)?);
        Ok(child)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Workers;
    use crate::process::{ChildError, Role};

    #[test]
    fn nobody_is_asked_any_more_after_the_end() {
        let workers = Workers::default();
        workers.stop();
        let outcome = workers.ask(Role::Verifier, &(), &[], |(), _| Ok(()));
        assert!(matches!(outcome, Err(ChildError::Start(Role::Verifier, _))), "{outcome:?}");
    }
}
