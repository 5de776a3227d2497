//! Letting go of the device with nothing left unanswered, for the next server.
//!
//! Nobody can tell the threads that wait for requests to stop. So the monitor makes requests of its own, to which each
//! thread that answers one rests from then on. When all rest, no request is in hand, also on a kernel that sends
//! nothing again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Who rests, and what is still to be answered.
#[derive(Debug, Default)]
pub(super) struct Rest {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    resting: usize,
    held: usize,
}

/// A request that is answered later, on another thread; it is answered when this is dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Rest>);

impl Rest {
    /// Lets threads rest from now on, and waits until all of them do and nothing is to be answered any more.
    pub(super) fn begin(&self, threads: usize) {
        let mut state = self.state();
        state.is_wanted = true;
        let is_busy = |state: &mut State| state.resting < threads || state.held > 0;
        drop(self.changed.wait_while(state, is_busy));
    }

    /// To be called by a thread that has answered a request. It does not come back where rest is wanted.
    pub(super) fn rest_if_wanted(&self) {
        let mut state = self.state();
        if !state.is_wanted {
            return;
        }
        state.resting += 1;
        drop(state);
        self.changed.notify_all();
        loop {
            thread::park();
        }
    }

    /// To be kept while a request is answered on another thread.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        self.state().held += 1;
        Held(Arc::clone(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().held -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::Rest;

    #[test]
    fn begins_when_all_rest_and_all_is_answered() {
        let rest = Arc::new(Rest::default());
        rest.rest_if_wanted();
        let held = rest.hold();
        let (tell, told) = mpsc::channel();
        let beginning = Arc::clone(&rest);
        thread::spawn(move || {
            beginning.begin(2);
            tell.send(()).expect("a listener");
        });
        while !rest.state().is_wanted {
            thread::yield_now();
        }
        for _ in 0..2 {
            let resting = Arc::clone(&rest);
            thread::spawn(move || {
                resting.rest_if_wanted();
                panic!("it does not come back");
            });
        }
        while rest.state().resting < 2 {
            thread::yield_now();
        }
        assert!(told.try_recv().is_err(), "something is still to be answered");
        drop(held);
        told.recv_timeout(Duration::from_secs(10)).expect("the rest");
    }
}
