//! Keeps a server alive: starts one, starts the next one when it dies, and gives up on a connection that no
//! server could serve for too long.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::connection::Connection;
use super::{Monitor, MonitorError};
use crate::process::channel::Channel;
use crate::process::{Child, ChildError, Role, Station};
use crate::server::{Agreement, Order, Report};

/// How long a server that dies before it serves is followed by the next one; doubles each time.
const FIRST_DELAY: Duration = Duration::from_millis(10);

/// The longest of these delays.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// How long a server that is alive may take until it answers the kernel's offer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How a server died.
#[derive(Debug, Default, Clone, Copy)]
struct Death {
    /// Whether it served before.
    served: bool,
    /// Whether it was not killed from outside.
    crashed: bool,
}

/// Serves `connection`, with one server after the other, until it is unmounted.
///
/// # Errors
/// The first server fails, no server can be started, or the mount cannot be made anew.
pub(super) fn keep(monitor: &Monitor, mut connection: Arc<Connection>) -> Result<(), MonitorError> {
    let mut before: Option<Death> = None;
    let mut down: Option<Instant> = None;
    let mut delay = FIRST_DELAY;
    loop {
        let ended = serve(monitor, &connection, before.is_some_and(|death| death.crashed));
        monitor.no_server();
        let death = match ended {
            Ok(None) => return Ok(()),
            Ok(Some(death)) => death,
            Err(error) if before.is_none() => return Err(error.into()),
            Err(error) => {
                eprintln!("vaultd: cannot start a server: {error}");
                Death { served: false, crashed: true }
            }
        };
        if monitor.is_stopping() {
            return Ok(());
        }
        if before.is_none() && death.crashed && !death.served {
            return Err(MonitorError::Crash);
        }
        if death.served {
            (down, delay) = (None, FIRST_DELAY);
        } else {
            monitor.wait_unless_stopping(delay);
            // Who kills servers pays for it; one that cannot even start is not helped by haste.
            delay = if death.crashed { (delay * 2).min(LONGEST_DELAY) } else { FIRST_DELAY };
        }
        let down = *down.get_or_insert_with(Instant::now);
        if !monitor.resends() || down.elapsed() >= monitor.resume_timeout() {
            eprintln!("vaultd: giving up on the requests in flight, and mounting anew");
            connection = monitor.mount_anew(&connection)?;
            if monitor.is_stopping() {
                return Ok(());
            }
        }
        before = Some(death);
    }
}

/// One server's life; nothing of its death if the mount is gone.
fn serve(monitor: &Monitor, connection: &Connection, crashed: bool) -> Result<Option<Death>, ChildError> {
    let silent = |error| ChildError::Silent(Role::Server, error);
    let server = Child::start(Role::Server)?;
    // It may die at any moment: what it leaves unsaid, its end tells.
    let handed_over = hand_over(monitor, connection, &server, crashed);
    let mut served = false;
    while handed_over.is_ok() {
        let Ok(Some((Report::Shows { generation, dropped }, _))) = server.channel.receive::<Report>() else {
            break;
        };
        served = true;
        monitor.shown(generation, &dropped);
    }
    let status = server.end().map_err(silent)?;
    match (status.success(), handed_over) {
        (true, Err(error)) => Err(silent(error)),
        (true, Ok(())) => Ok(None),
        (false, _) => Ok(Some(Death { served, crashed: !is_from_outside(status) })),
    }
}

/// Lets a server agree with the kernel, and gives it all that it needs to serve.
fn hand_over(monitor: &Monitor, connection: &Connection, server: &Child, crashed: bool) -> io::Result<()> {
    server.channel.wait_at_most(Some(monitor.resume_timeout()))?;
    let resumes = connection.is_accepted();
    if !crashed {
        connection.forgive()?;
    }
    let agreement = agree(&server.channel, connection, monitor.loader.settings().station()?)?;
    monitor.hand_over(server, connection, agreement, resumes)?;
    server.channel.wait_at_most(None)
}

/// Relays the kernel's offer and, from a connection's first server, the answer.
///
/// # Errors
/// The server or the kernel is not there any more, or does not agree.
pub fn agree(server: &Channel, connection: &Connection, station: Station) -> io::Result<Agreement> {
    let (kernel, socket) = Channel::pair()?;
    kernel.wait_at_most(Some(HANDSHAKE))?;
    server.send(&Order::Agree(station), &[socket.as_fd()])?;
    drop(socket);
    kernel.send_raw(&connection.offer)?;
    connection.accept(&kernel.receive_raw()?)?;
    match server.receive::<Report>()? {
        Some((Report::Agreed(agreement), _)) => Ok(agreement),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn is_from_outside(status: ExitStatus) -> bool {
    let signals = [Signal::KILL, Signal::TERM, Signal::INT].map(Signal::as_raw);
    status.signal().is_some_and(|signal| signals.contains(&signal))
}
