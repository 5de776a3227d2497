//! Leaving the mount to the next monitor: what is open stays open, and whoever asks waits for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{LettingGo, Monitor, State, units};
use crate::server::Order;

/// How long a server may take to answer what is in hand. One that dies meanwhile is followed by another.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait for one step of it before it is looked at who serves.
const STEP: Duration = Duration::from_millis(100);

impl Monitor {
    /// Leaves the mount to the next monitor if the service manager is about to start one, else unmounts.
    pub(super) fn leave_or_stop(&self) {
        if self.parking.is_complete() {
            match units::is_restarted() {
                Ok(true) if self.leave() => return,
                Ok(true) => eprintln!("warning: requests are still in hand; the next vaultd mounts anew"),
                Ok(false) => {}
                Err(error) => {
                    eprintln!("warning: unmounting, since systemd does not say what comes next: {error}")
                }
            }
        }
        self.stop();
    }

    /// Has the server answer what is in hand, and ends with the mount still there. Tells whether that is so.
    fn leave(&self) -> bool {
        // What is being loaded, or looked up, the next monitor loads and looks up.
        self.loader.stop();
        self.lookout.stop();
        let _no_other_generation = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        while start.elapsed() < PATIENCE && !self.is_stopping() {
            // Nothing may wait for the kernel when nobody answers it any more.
            if self.order(&Order::Pause, LettingGo::Pauses) && self.order(&Order::Rest, LettingGo::Rests) {
                return self.let_go();
            }
        }
        false
    }

    /// Gives the server an order, and waits a while until it has come as far as that.
    fn order(&self, order: &Order, far: LettingGo) -> bool {
        let state = self.state();
        let Some(server) = &state.server else {
            drop(self.changed.wait_timeout(state, STEP));
            return false;
        };
        let (pid, is_told) = (server.pid, server.channel.send(order, &[]).is_ok());
        let _callers = (far == LettingGo::Rests).then(|| Callers::start(self.mount_point.path()));
        let is_waiting = |state: &mut State| {
            let is_there = state.server.as_ref().is_some_and(|server| server.pid == pid);
            is_told && is_there && state.letting_go < far && !state.stopping
        };
        let waited = self.changed.wait_timeout_while(state, PATIENCE, is_waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.server.as_ref().is_some_and(|server| server.pid == pid) && state.letting_go >= far
    }

    /// From here on, this monitor ends without the mount.
    fn let_go(&self) -> bool {
        let mut state = self.state();
        let is_left = state.connection.as_ref().is_some_and(|connection| connection.mount.leave());
        if is_left {
            (state.left, state.stopping) = (true, true);
            if let Some(server) = state.server.take() {
                server.channel.hang_up();
            }
        }
        drop(state);
        self.changed.notify_all();
        is_left
    }

    /// At the end, when no server is there any more: whatever was left to the next monitor is not wiped with this one.
    pub(super) fn leave_generations(&self) {
        if self.state().left {
            self.park();
            std::mem::forget(std::mem::take(&mut self.state().generations));
        }
    }
}

/// Makes requests until it is dropped, for each thread of the server to come by and rest. One that nobody took ends
/// with this process.
#[derive(Debug)]
pub struct Callers(Arc<AtomicBool>);

impl Callers {
    /// Starts to, at a mount point.
    #[must_use]
    pub fn start(path: &Path) -> Self {
        let (path, is_wanted) = (path.to_owned(), Arc::new(AtomicBool::new(true)));
        let callers = Self(Arc::clone(&is_wanted));
        thread::spawn(
            move || while is_wanted.load(Ordering::Acquire) && rustix::fs::statfs(&path).is_ok() {},
        );
        callers
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
