//! Keeps a server alive: starts one, starts the next one when it dies, and gives up on a connection that no
//! server could serve for too long.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::attendants::{Attendants, Lines};
use super::connection::Connection;
use super::forgetting;
use super::{Monitor, MonitorError};
use crate::configuration::Record;
use crate::process::channel::Channel;
use crate::process::{Child, ChildError, Role, Station};
use crate::server::{Agreement, Order, Report};

/// How long a server that dies before it serves is followed by the next one; doubles each time.
const FIRST_DELAY: Duration = Duration::from_millis(10);

/// The longest of these delays.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// How long a server that is alive may take until it answers the kernel's offer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where reports of servers go, each with the connection that it is about.
type Reports = mpsc::Sender<(Arc<Connection>, Report)>;

/// How a server died.
#[derive(Debug, Default, Clone, Copy)]
struct Death {
    /// Whether it had got the device, so that requests may have died with it.
    had_device: bool,
    /// Whether it served before.
    served: bool,
    /// Whether it was not killed from outside.
    crashed: bool,
}

/// Serves `connection`, with one server after the other, until it is unmounted.
///
/// # Errors
/// The first server fails, no server can be started, or the mount cannot be made anew.
pub(super) fn keep(monitor: &Monitor, connection: Arc<Connection>) -> Result<(), MonitorError> {
    thread::scope(|scope| {
        let (reports, received) = mpsc::channel();
        scope.spawn(move || forgetting::keep(monitor, received));
        keep_serving(monitor, connection, &reports)
    })
}

fn keep_serving(
    monitor: &Monitor,
    mut connection: Arc<Connection>,
    reports: &Reports,
) -> Result<(), MonitorError> {
    let mut before: Option<Death> = None;
    let mut down: Option<Instant> = None;
    let mut delay = FIRST_DELAY;
    loop {
        let crashed = before.is_some_and(|death| death.crashed);
        let ended = serve(monitor, &connection, crashed, reports);
        monitor.no_server();
        let death = match ended {
            Ok(None) => return Ok(()),
            Ok(Some(death)) => death,
            Err(error) if before.is_none() => return Err(error.into()),
            Err(error) => {
                eprintln!("vaultd: cannot start a server: {error}");
                Death { crashed: true, ..Death::default() }
            }
        };
        if monitor.is_stopping() || connection.is_gone() {
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
        let since = *down.get_or_insert_with(Instant::now);
        let lost = death.had_device && !monitor.resends();
        if lost || since.elapsed() >= monitor.resume_timeout() {
            if !connection.mount.is_there() {
                // Somebody took it away; what is open of it ends with it.
                return Ok(());
            }
            eprintln!("vaultd: giving up on the requests in flight, and mounting anew");
            connection = monitor.mount_anew(&connection)?;
            down = None;
            // Whoever stopped us meanwhile has ended the old mount.
            if monitor.is_stopping() {
                return Ok(());
            }
        }
        before = Some(death);
    }
}

/// One server's life; nothing of its death if the mount is gone.
fn serve(
    monitor: &Monitor,
    connection: &Arc<Connection>,
    crashed: bool,
    reports: &Reports,
) -> Result<Option<Death>, ChildError> {
    let silent = |error| ChildError::Silent(Role::Server, error);
    let server = Child::start(Role::Server)?;
    // It may die at any moment: what it leaves unsaid, its end tells.
    let (attendants, lines) = Attendants::start(connection, &monitor.recorder).map_err(silent)?;
    let equipped = equip(monitor, (connection, lines), &server, crashed);
    let (served, hangs) = match &equipped {
        Ok(()) => listen(monitor, connection, &server.channel, reports),
        Err(_) => (false, false),
    };
    let status = if hangs { server.kill() } else { server.end() };
    attendants.finish();
    let status = status.map_err(silent)?;
    match (status.success(), equipped) {
        (true, Err(error)) => Err(silent(error)),
        (true, Ok(())) => Ok(None),
        (false, equipped) => {
            // One that hangs may do so because of a request, as one that crashes.
            let crashed = hangs || !is_from_outside(status);
            Ok(Some(Death { had_device: equipped.is_ok(), served, crashed }))
        }
    }
}

/// Passes on what a server reports until it is gone, or answers nobody any more. Tells whether it served, and whether
/// it hangs.
fn listen(
    monitor: &Monitor,
    connection: &Arc<Connection>,
    server: &Channel,
    reports: &Reports,
) -> (bool, bool) {
    let (mut served, mut asked) = (false, false);
    loop {
        match server.receive::<Report>() {
            Ok(Some((report, _))) => {
                if matches!(report, Report::Shows { .. }) && !std::mem::replace(&mut served, true) {
                    // Twice: until it is asked, and until it is late.
                    if server.wait_at_most(Some(monitor.resume_timeout() / 2)).is_err() {
                        return (served, false);
                    }
                }
                asked = false;
                // Whoever hears of it is there as long as we are.
                let _ = reports.send((Arc::clone(connection), report));
            }
            Err(error) if served && !asked && is_late(&error) && monitor.ping() => asked = true,
            Err(error) if asked && is_late(&error) => {
                eprintln!("vaultd: the server answers nobody any more, and is replaced");
                return (served, true);
            }
            Ok(None) | Err(_) => return (served, false),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Lets a server agree with the kernel, and gives it all that it needs to serve.
fn equip(
    monitor: &Monitor,
    (connection, lines): (&Connection, Lines),
    server: &Child,
    crashed: bool,
) -> io::Result<()> {
    server.channel.wait_at_most(Some(monitor.resume_timeout()))?;
    let resumes = connection.is_accepted();
    if !crashed {
        connection.forgive()?;
    }
    let settings = monitor.loader.settings();
    let mut agreement = agree(&server.channel, connection, settings.station()?)?;
    // What the kernel opens alone, it asks for when it is read.
    agreement.passthrough &= settings.record == Record::On;
    monitor.equip(server, (connection, &lines), agreement, resumes)
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
