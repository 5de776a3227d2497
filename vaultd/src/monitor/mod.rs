//! The monitor: mounts, keeps a server alive, loads new states of the vault, answers `vaultd` commands. It is
//! privileged, so it parses nothing but what its own children tell it, and holds descriptors of secrets, never
//! their bytes.

mod actions;
pub mod attendants;
pub mod background;
pub mod connection;
pub mod control;
mod forgetting;
pub mod guard;
pub mod keeper;
pub mod kept;
mod leaving;
pub mod loader;
pub mod loading;
pub mod mount;
pub mod mount_point;
pub mod mountinfo;
mod owners;
pub mod parking;
pub mod programs;
pub mod record;
mod reload;
mod service_manager;
mod serving;
pub mod settings;
mod status;
pub mod told;
pub mod units;
pub mod workers;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, TERM_SIGNALS};
use signal_hook::iterator::Signals;

pub use self::status::Status;
use self::{
    connection::Connection,
    kept::Kept,
    leaving::{Guarded, LettingGo},
    loader::{Loaded, Loader},
    mount::MountError,
    mount_point::{MountPoint, MountPointError},
    owners::Lookout,
    parking::{Parking, Taken},
    record::Recorder,
    serving::Server,
};
use crate::process::ChildError;
use crate::resolver::Unresolved;
use crate::server::Agreement;
use crate::state::Facts;
use crate::sys::store::Kind;

/// Why a mount could not be made or kept.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MonitorError {
    /// The mount could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mount(#[from] MountError),
    /// Somebody else mounted there meanwhile.
    #[error(transparent)]
    #[diagnostic(transparent)]
    MountPoint(#[from] MountPointError),
    /// No server could be started.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Server(#[from] ChildError),
    /// The server died before it served anything.
    #[error("the server crashed")]
    #[diagnostic(help(
        "see its last words on standard error, or in `journalctl -u vaultd`, and report them: that is a fault of vaultd"
    ))]
    Crash,
    /// Signals could not be listened to.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The files could not be read after mounting, or nobody could be told that they can.
    #[error("cannot report that the files are readable")]
    Ready(#[source] io::Error),
    /// It could not be looked out for owners who appear or go.
    #[error("cannot look out for users and groups")]
    Owners(#[source] io::Error),
    /// Commands could not be listened to.
    #[error("cannot listen to commands")]
    Control(#[source] io::Error),
}

/// The monitor of one mount.
#[derive(Debug)]
pub struct Monitor {
    loader: Loader,
    mount_point: MountPoint,
    state: Mutex<State>,
    changed: Condvar,
    recorder: Recorder,
    parking: Parking,
    /// Held while another generation takes over: one at a time.
    reloading: Mutex<()>,
    /// Where owners are looked up again.
    lookout: Lookout,
}

/// What changes while a vault is served.
#[derive(Debug, Default)]
struct State {
    /// From the oldest that somebody has open to the current one.
    generations: Vec<Kept>,
    /// What tells the current state of the vault from others.
    facts: Option<Facts>,
    /// How many files it has.
    files: usize,
    /// Whether it is the state accepted last, since the present one was refused at the start.
    fallback: bool,
    /// Why the present state was refused when it was last looked at.
    problem: Option<String>,
    /// The names of owners that mean nobody.
    unresolved: Unresolved,
    /// The server that is told about switches, if there is one now.
    server: Option<Server>,
    /// The generation that the kernel remembers nothing older of.
    shown: u64,
    connection: Option<Arc<Connection>>,
    /// What the kernel does for this connection.
    agreement: Agreement,
    restarts: u64,
    /// Whether no server was started yet for a mount of an earlier monitor.
    takes_over: bool,
    /// How far the server has come to let go, for another one to go on.
    letting_go: LettingGo,
    /// Who ends the mount if no monitor goes on with it after this one.
    guard: Guarded,
    /// Whether the mount is left to the next monitor.
    left: bool,
    stopping: bool,
}

/// What a monitor begins with.
#[derive(Debug)]
pub enum Start {
    /// A state of the vault that was just loaded, to be mounted.
    Fresh(MountPoint, Box<Loaded>),
    /// The mount of an earlier monitor, to go on with. The vault's present state is loaded then.
    Taken(Box<Taken>),
}

/// Serves a mount until a signal to stop or somebody's umount(8). Calls `notify` once the files are readable.
///
/// # Errors
/// [`MonitorError`]. Whatever happened, the mount is gone and the generations wiped on return, unless they are left to
/// the next monitor.
pub fn run(
    loader: Loader,
    start: Start,
    notify: impl FnOnce() -> io::Result<()>,
) -> Result<(), MonitorError> {
    let mut signals = Signals::new(TERM_SIGNALS.iter().chain(&[SIGHUP])).map_err(MonitorError::Signals)?;
    let listener = signals.handle();
    let claim = control::claim().map_err(MonitorError::Control)?;
    let lookout = Lookout::new().map_err(MonitorError::Owners)?;
    let takes_over = matches!(start, Start::Taken(_));
    let (monitor, connection) = match start {
        Start::Fresh(mount_point, loaded) => {
            // Somebody else may have mounted while this vault was loaded.
            let monitor = Monitor::new(loader, MountPoint::check(mount_point.path())?, *loaded, lookout);
            let connection = monitor.connect()?;
            (monitor, connection)
        }
        Start::Taken(taken) => Monitor::after(loader, *taken, lookout),
    };
    let control = control::listen(monitor.mount_point.path()).map_err(MonitorError::Control)?;
    drop(claim);

    let prepared = thread::spawn(programs::prepare);
    thread::scope(|scope| {
        let keeper = scope.spawn(|| {
            let kept = keeper::keep(&monitor, Arc::clone(&connection));
            // Whoever waits for an answer, or for a switch, waits no longer.
            monitor.stop();
            kept
        });
        scope.spawn(|| {
            let monitor = &monitor;
            // Ends without a signal when the listener is closed.
            for signal in signals.forever() {
                match signal {
                    // On a thread of its own: the next signal may be to stop.
                    SIGHUP => drop(scope.spawn(|| monitor.reload_by_signal())),
                    // Whoever asks twice does not want to wait for what is still in flight.
                    signal if monitor.is_stopping() => {
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                    // On a thread of its own: it takes a while.
                    _ => drop(scope.spawn(|| monitor.leave_or_stop())),
                }
            }
        });
        scope.spawn(|| control.answer(&monitor));
        scope.spawn(|| owners::keep(&monitor));
        // The first who opens a file is to be told by name too.
        let _ = prepared.join();
        let readable = match takes_over {
            true => Ok(()),
            false => connection.mount.wait_until_readable(),
        };
        if readable.is_ok() {
            monitor.set_guard();
        }
        if takes_over {
            monitor.catch_up();
        }
        let notified = readable.and_then(|()| notify());
        match &notified {
            Ok(()) => service_manager::ready(&monitor.summary()),
            Err(_) => monitor.stop(),
        }
        let kept = keeper.join();
        listener.close();
        control.close();
        monitor.recorder.finish();
        monitor.leave_generations();
        // A server that failed explains best why nothing was readable.
        kept.map_err(|_| MonitorError::Crash)??;
        notified.map_err(MonitorError::Ready)
    })
}

impl Monitor {
    fn new(loader: Loader, mount_point: MountPoint, loaded: Loaded, lookout: Lookout) -> Self {
        let state = State {
            generations: vec![loaded.generation],
            facts: loaded.facts,
            files: loaded.report.files,
            unresolved: loaded.report.unresolved,
            fallback: loaded.problem.is_some(),
            problem: loaded.problem,
            ..State::default()
        };
        let parking = Parking::new(loader.store().kind() == Kind::NoSwap);
        Self::with(loader, mount_point, state, parking, lookout)
    }

    /// Goes on with a mount.
    fn after(loader: Loader, taken: Taken, lookout: Lookout) -> (Self, Arc<Connection>) {
        let Taken { mount_point, connection, generations, manifest, parking } = taken;
        let connection = Arc::new(connection);
        let state = State {
            generations,
            facts: manifest.facts,
            files: manifest.files,
            unresolved: manifest.unresolved,
            fallback: manifest.fallback,
            problem: manifest.problem,
            connection: Some(Arc::clone(&connection)),
            agreement: manifest.agreement,
            restarts: manifest.restarts,
            takes_over: true,
            ..State::default()
        };
        (Self::with(loader, mount_point, state, parking, lookout), connection)
    }

    fn with(
        loader: Loader,
        mount_point: MountPoint,
        state: State,
        parking: Parking,
        lookout: Lookout,
    ) -> Self {
        let (changed, reloading) = (Condvar::new(), Mutex::new(()));
        let (recorder, state) = (Recorder::start(), Mutex::new(state));
        Self { loader, mount_point, state, changed, recorder, parking, reloading, lookout }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Arc<Connection>, MountError> {
        let connection = Arc::new(Connection::new(&self.mount_point)?);
        let mut state = self.state();
        state.connection = Some(Arc::clone(&connection));
        let is_late = state.stopping;
        drop(state);
        if is_late {
            // Who stopped saw only the connection before.
            connection.mount.end();
        }
        Ok(connection)
    }

    /// Ends a connection that nobody could serve, and makes another one. Whoever has files of it open gets
    /// errors, so only the current generation is of use any more.
    fn mount_anew(&self, old: &Connection) -> Result<Arc<Connection>, MountError> {
        old.mount.end();
        let mut state = self.state();
        let before = state.generations.len() - 1;
        let gone: Vec<Kept> = state.generations.drain(..before).collect();
        state.connection = None;
        if matches!(state.guard, Guarded::By(_)) {
            state.guard = Guarded::NotAnyMore;
        }
        drop(state);
        self.parking.clear();
        // Wiping takes a while, which nobody has to wait for.
        drop(gone);
        self.connect()
    }

    fn resume_timeout(&self) -> Duration {
        self.loader.settings().resume_timeout
    }

    fn resends(&self) -> bool {
        self.state().agreement.resend
    }

    fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Unmounts, which ends the server and then everything else.
    fn stop(&self) {
        let connection = {
            let mut state = self.state();
            state.stopping = true;
            state.connection.clone()
        };
        service_manager::stopping();
        self.changed.notify_all();
        self.loader.stop();
        self.lookout.stop();
        if let Some(connection) = connection {
            connection.mount.end();
        }
        // A server ends with its mount; one that hangs hears nothing of it, and is ended.
        if let Some(server) = self.state().server.take() {
            server.channel.hang_up();
        }
    }

    fn wait_unless_stopping(&self, delay: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout_while(state, delay, |state| !state.stopping));
    }
}
