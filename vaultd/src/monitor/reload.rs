//! Loading a vault anew, and switching to what was loaded.

use std::io;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use vault_format::report;

use super::control::Rule;
use super::kept::{self, Kept};
use super::loader::{Intent, Loaded};
use super::loading::LoadError;
use super::{Monitor, State, actions, service_manager};
use crate::generation::{Changes, Index};
use crate::process::blob;
use crate::server::Order;

/// How long a server may take to show another generation.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(60);

impl Monitor {
    /// Loads the vault as it is now, and serves it if all of it is sound. Returns when whoever opens a file
    /// gets it as it is now.
    ///
    /// # Errors
    /// [`LoadError`]; what was served before is served on.
    pub fn reload(&self, intent: Intent) -> Result<(Changes, Vec<String>), LoadError> {
        let outcome = self.load_and_switch(intent);
        service_manager::status(&self.summary());
        outcome
    }

    fn load_and_switch(&self, intent: Intent) -> Result<(Changes, Vec<String>), LoadError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept::has_room(&self.state().generations) {
            return Err(LoadError::Full);
        }
        let before = self.current()?;
        let loaded = self.loader.present(before.number + 1, Some(&before), intent);
        drop(before);
        let loaded = loaded.inspect_err(|error| self.state().problem = Some(report::render(error)))?;
        let changes = loaded.report.changes.clone();
        let mut warnings = loaded.warnings.clone();
        if intent == Intent::Serve {
            let Loaded { facts, generation, report, .. } = loaded;
            let wanted = report.actions;
            self.switch_to(generation, |state| {
                (state.facts, state.files, state.unresolved) = (facts, report.files, report.unresolved);
                (state.fallback, state.problem) = (false, None);
            });
            self.lookout.ring();
            warnings.extend(actions::run(&wanted, &self.loader.settings().on_change_units));
        }
        Ok((changes, warnings))
    }

    /// After taking over a mount: has what is served be the vault's present state, if that is sound.
    pub(super) fn catch_up(&self) {
        match self.reload(Intent::Serve) {
            Ok((_, warnings)) => warnings.iter().for_each(|warning| eprintln!("warning: {warning}")),
            Err(_) if self.is_stopping() => {}
            Err(error) => {
                eprintln!("{}", report::render(&error));
                eprintln!("warning: serving on what was served before");
            }
        }
    }

    pub(super) fn reload_by_signal(&self) {
        service_manager::reloading();
        match self.reload(Intent::Serve) {
            Err(error) if !self.is_stopping() => eprintln!("{}", report::render(&error)),
            _ => {}
        }
        if !self.is_stopping() {
            service_manager::ready(&self.summary());
        }
    }

    /// A second hold on what is served now.
    pub(super) fn current(&self) -> io::Result<Kept> {
        let state = self.state();
        let current = state.generations.last().ok_or(io::ErrorKind::NotFound)?;
        current.duplicate()
    }

    /// Who may open a file, by its path; nothing for what is not served.
    pub(super) fn rule(&self, path: &str) -> io::Result<Option<Rule>> {
        let index: Index = blob::read(&self.current()?.index)?;
        let node = index.at(path).filter(|node| node.content().is_some());
        Ok(node.map(|node| {
            let services = index.services(node).cloned().unwrap_or_default();
            Rule { facts: node.facts, services }
        }))
    }

    /// Serves another generation from now on, of which `tell` notes what there is to know. Returns when whoever opens
    /// a file gets that one's. Only for who holds `reloading`.
    pub(super) fn switch_to(&self, generation: Kept, tell: impl FnOnce(&mut State)) {
        let number = generation.number;
        let mut state = self.state();
        if let Some(connection) = state.connection.as_ref().filter(|_| state.agreement.passthrough) {
            generation.register(&connection.device);
        }
        state.generations.push(generation);
        tell(&mut state);
        drop(state);
        // Before the kernel knows anything of it.
        self.park();
        let state = self.state();
        let newest = state.generations.last().filter(|newest| newest.number == number);
        // One that was started since has it already.
        let server = state.server.as_ref().filter(|server| server.newest < number);
        if let Some((server, newest)) = server.zip(newest) {
            let (parcel, descriptors) = newest.parcel();
            // A server that is not there any more, or does not listen, is followed by one that gets all
            // generations.
            if server.channel.send(&Order::SwitchTo(parcel), &descriptors).is_err() {
                server.channel.hang_up();
            }
        }
        self.wait_until_shown(state, number);
    }

    /// Waits until whoever opens a file gets that generation. A server that hangs gives way to the next one.
    fn wait_until_shown(&self, mut state: MutexGuard<'_, State>, number: u64) {
        let is_waiting = |state: &mut State| state.shown < number && !state.stopping;
        loop {
            let waited = self.changed.wait_timeout_while(state, SWITCH_TIMEOUT, is_waiting);
            let (now, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if !waited.timed_out() {
                return;
            }
            state = now;
            if let Some(server) = state.server.take() {
                eprintln!(
                    "vaultd: the server does not switch to another state of the vault, and is replaced"
                );
                server.channel.hang_up();
            }
        }
    }
}
