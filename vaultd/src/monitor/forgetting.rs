//! Has the kernel forget what it remembers of generations that are shown no more.
//!
//! The kernel may make whoever asks for it wait until a request is answered, and such a wait cannot be killed. A
//! server that waits so could not die, and nobody would answer in its place. So the monitor asks, on a thread that
//! does nothing else.

use std::sync::{Arc, mpsc};

use super::Monitor;
use super::connection::Connection;
use crate::generation::Stale;
use crate::server::Report;
use crate::sys::device;

/// What a server of a connection reports, in the order in which it did.
pub(super) type Reports = mpsc::Receiver<(Arc<Connection>, Report)>;

/// Has the kernel forget what servers say, and then tells the monitor what is shown, until no server can say
/// anything any more.
pub(super) fn keep(monitor: &Monitor, reports: Reports) {
    for (connection, report) in reports {
        match report {
            Report::Stale(stale) => stale.iter().for_each(|stale| forget(&connection, stale)),
            Report::Shows { generation, dropped } => monitor.shown(generation, &dropped),
            Report::Agreed(_) | Report::Alive => {}
        }
    }
}

fn forget(connection: &Connection, stale: &Stale) {
    // What the kernel does not know, it need not forget; and if it is gone, so is all that it knew.
    let _ = match stale {
        Stale::Name { parent, name } => device::forget_name(&connection.device, *parent, name),
        Stale::Node(node) => device::forget_node(&connection.device, *node),
    };
}
