//! The monitor's side of a server: what it is given, told and asked, and what comes of what it shows.

use std::io;
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};

use super::Monitor;
use super::attendants::Lines;
use super::connection::Connection;
use super::kept::{self, Kept};
use super::leaving::{Guarded, LettingGo};
use crate::configuration::Record;
use crate::process::Child;
use crate::process::channel::Channel;
use crate::server::{Agreement, Order};

/// A server that serves.
#[derive(Debug)]
pub(super) struct Server {
    pub pid: u32,
    pub channel: Channel,
    /// The newest generation that it was given.
    pub newest: u64,
}

impl Monitor {
    /// Gives a server all that it needs. From then on it is told about switches.
    pub(super) fn equip(
        &self,
        server: &Child,
        (connection, lines): (&Connection, &Lines),
        agreement: Agreement,
        resumes: bool,
    ) -> io::Result<()> {
        let channel = server.channel.duplicate()?;
        let mut state = self.state();
        if agreement.passthrough {
            state.generations.iter().for_each(|generation| generation.register(&connection.device));
        }
        // The first one of a mount that was taken over follows none that died of itself.
        state.restarts += u64::from(resumes && !take(&mut state.takes_over));
        state.agreement = agreement;
        drop(state);
        // Before the kernel knows anything of it; and only then: the service manager may be waiting for this server.
        if !self.parking.is_complete() {
            self.park();
        }
        let mut state = self.state();
        let held = [connection.descriptors(), lines.descriptors()].concat();
        // Where nothing is sent again, nothing was in hand either: else the mount would have been made anew.
        let asks_again = resumes && agreement.resend;
        let order = Order::Serve { asks_again, record: self.loader.settings().record };
        kept::send(&channel, &held, &state.generations, &order)?;
        let newest = state.generations.last().map_or(0, |kept| kept.number);
        state.letting_go = LettingGo::default();
        state.server = Some(Server { pid: server.pid(), channel, newest });
        Ok(())
    }

    /// Asks the server whether it answers requests. Tells whether it could be asked.
    pub(super) fn ping(&self) -> bool {
        // While nobody else speaks to it: a message may be several packets.
        self.state().server.as_ref().is_some_and(|server| server.channel.send(&Order::Ping, &[]).is_ok())
    }

    /// Tells the server what the kernel does not know, if it has no other way to know what is open.
    pub(super) fn tell_unknown(&self, nodes: &OwnedFd) {
        if self.loader.settings().record == Record::Off {
            if let Some(server) = &self.state().server {
                // The next one asks anew.
                let _ = server.channel.send(&Order::Unknown, &[nodes.as_fd()]);
            }
        }
    }

    pub(super) fn no_server(&self) {
        self.state().server = None;
    }

    /// A server shows a generation, and has no more use for some before it.
    pub(super) fn shown(&self, generation: u64, dropped: &[u64]) {
        let mut state = self.state();
        state.shown = generation;
        let newest = state.generations.last().map(|kept| kept.number);
        let is_needed = |kept: &Kept| Some(kept.number) == newest || !dropped.contains(&kept.number);
        let gone: Vec<Kept>;
        (state.generations, gone) = take(&mut state.generations).into_iter().partition(is_needed);
        let lacks_guard = matches!(state.guard, Guarded::NotAnyMore);
        drop(state);
        self.changed.notify_all();
        let is_news = !gone.is_empty();
        // Wiping takes a while, which nobody has to wait for. The service manager lets go of it after that.
        drop(gone);
        if lacks_guard {
            self.set_guard();
        } else if is_news {
            self.park();
        }
    }

    /// The server has come as far as that.
    pub(super) fn lets_go(&self, far: LettingGo) {
        self.state().letting_go = far;
        self.changed.notify_all();
    }
}
