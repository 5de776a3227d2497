//! Has the kernel forget what it remembers of generations that are shown no more, as servers say what that is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use vault_format::report;

use super::Monitor;
use super::connection::Connection;
use super::leaving::LettingGo;
use crate::forgetter::Order;
use crate::generation::Stale;
use crate::process::{Child, ChildError, Role, blob};
use crate::server::Report;

/// How long to wait before the kernel is asked again.
const RETRY: Duration = Duration::from_millis(100);

/// What a server of a connection reports, in the order in which it did.
pub(super) type Reports = mpsc::Receiver<(Arc<Connection>, Report)>;

/// Has the kernel forget what servers say, and then tells the monitor what is shown, until no server can say
/// anything any more.
pub(super) fn keep(monitor: &Monitor, reports: Reports) {
    let mut stale = Vec::new();
    for (connection, report) in reports {
        match report {
            Report::Stale(more) => stale.extend(more),
            Report::Shows { generation, dropped } => {
                forget(monitor, &connection, &std::mem::take(&mut stale));
                monitor.shown(generation, &dropped);
            }
            Report::Pauses => monitor.lets_go(LettingGo::Pauses),
            Report::Rests => monitor.lets_go(LettingGo::Rests),
            Report::Agreed(_) | Report::Alive => {}
        }
    }
}

/// Returns when the kernel has forgotten it, or is gone itself.
fn forget(monitor: &Monitor, connection: &Connection, stale: &[Stale]) {
    while !stale.is_empty() && !monitor.is_stopping() && !connection.is_gone() {
        match ask(monitor, connection, stale) {
            Ok(unknown) => return monitor.tell_unknown(&unknown),
            // Whoever opens a file could get an old one: nothing is shown before it has worked.
            Err(error) => eprintln!("warning: {}", report::render(&error).trim_start_matches("error: ")),
        }
        monitor.wait_unless_stopping(RETRY);
    }
}

/// Tells which of them the kernel does not know.
fn ask(monitor: &Monitor, connection: &Connection, stale: &[Stale]) -> Result<OwnedFd, ChildError> {
    let silent = |error| ChildError::Silent(Role::Forgetter, error);
    let order = Order { station: monitor.loader.settings().station().map_err(silent)? };
    let list = blob::write("stale", &stale).map_err(silent)?;
    let mut child = Child::start(Role::Forgetter)?;
    let ((), received) = child.ask(&order, &[connection.device.as_fd(), list.as_fd()])?;
    received.into_iter().next().ok_or_else(|| silent(io::ErrorKind::UnexpectedEof.into()))
}
