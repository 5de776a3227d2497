//! Leaving the mount to the next monitor: what is open stays open, and whoever asks waits for it.

use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::parking::Contents;
use super::{Monitor, State, guard, units};
use crate::caller::Order;
use crate::process::channel::Channel;
use crate::process::{Child, ChildError, Role};
use crate::server;

/// How long a server may take to answer what is in hand. One that dies meanwhile is followed by another.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long to wait for one step of it before it is looked at who serves.
const STEP: Duration = Duration::from_millis(100);

/// Whether somebody ends the mount if no monitor goes on with it after this one. Only then it is left to the next one.
#[derive(Debug, Default)]
pub(super) enum Guarded {
    /// This monitor is not ready.
    #[default]
    NotYet,
    /// The mount that somebody guarded is gone, and made anew.
    NotAnyMore,
    /// As long as this is there.
    By(#[expect(dead_code, reason = "the guard acts when it is dropped")] Channel),
    /// There is nobody.
    ByNobody,
}

/// How far a server has come to let go of its device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LettingGo {
    #[default]
    Serves,
    /// It has the kernel forget nothing any more.
    Pauses,
    /// It answers nobody any more, and has nothing in hand.
    Rests,
}

impl Monitor {
    /// Has somebody outlive this monitor who ends the mount if nobody goes on with it, and the service manager keep what
    /// the next monitor needs for that.
    pub(super) fn set_guard(&self) {
        let Some(connection) = self.state().connection.clone().filter(|_| self.parking.is_possible()) else {
            return;
        };
        let Some(abort) = connection.mount.abort() else { return };
        match guard::set(self.mount_point.path(), self.resume_timeout(), abort) {
            Ok(guard) => {
                self.state().guard = Guarded::By(guard);
                self.park();
            }
            Err(_) if self.is_stopping() => {}
            Err(error) => {
                self.state().guard = Guarded::ByNobody;
                self.parking.clear();
                eprintln!("warning: a restart will mount anew, for want of vaultd-guard.socket: {error}");
            }
        }
    }

    /// Has the service manager keep what is served now, for the next monitor to go on with.
    pub(super) fn park(&self) {
        self.parking.update(|stored| {
            let state = self.state();
            let is_guarded = match state.guard {
                Guarded::By(_) => true,
                // What an earlier monitor left is kept up to date until then.
                Guarded::NotYet => !stored.is_empty(),
                Guarded::NotAnyMore | Guarded::ByNobody => false,
            };
            let Some(connection) = state.connection.as_ref().filter(|it| is_guarded && it.is_accepted())
            else {
                return Ok(None);
            };
            Contents::of(stored, connection, &state, self.loader.settings().record)
        });
    }

    /// Leaves the mount to the next monitor if the service manager is about to start one, else unmounts.
    pub(super) fn leave_or_stop(&self) {
        if self.parking.is_complete() {
            match units::is_restarted() {
                Ok(true) if self.leave() => return,
                Ok(true) if self.is_stopping() => return,
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
            if self.order(&server::Order::Pause, LettingGo::Pauses)
                && self.order(&server::Order::Rest, LettingGo::Rests)
            {
                return self.let_go();
            }
        }
        false
    }

    /// Gives the server an order, and waits a while until it has come as far as that.
    fn order(&self, order: &server::Order, far: LettingGo) -> bool {
        let state = self.state();
        let Some(server) = &state.server else {
            drop(self.changed.wait_timeout(state, STEP));
            return false;
        };
        let (pid, is_told) = (server.pid, server.channel.send(order, &[]).is_ok());
        let _caller = match far {
            LettingGo::Rests => start_caller(self.mount_point.path()).ok(),
            LettingGo::Serves | LettingGo::Pauses => None,
        };
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
        }
        // What the service manager does not have is wiped now.
        if self.state().left && self.parking.is_complete() {
            std::mem::forget(std::mem::take(&mut self.state().generations));
        }
    }
}

/// Has requests made until the child is dropped, for each thread of the server to come by and rest.
///
/// # Errors
/// [`ChildError::Start`].
fn start_caller(mount_point: &Path) -> Result<Child, ChildError> {
    let child = Child::start(Role::Caller)?;
    let order = Order { mount_point: mount_point.to_owned() };
    child.channel.send(&order, &[]).map_err(|error| ChildError::Start(Role::Caller, error))?;
    Ok(child)
}
