//! The monitor: mounts, keeps a server alive, loads new states of the vault, answers `vaultd` commands. It is
//! privileged, so it parses nothing but what its own children tell it, and holds descriptors of secrets, never
//! their bytes.

mod actions;
pub mod attendants;
pub mod background;
pub mod connection;
pub mod control;
mod forgetting;
pub mod keeper;
pub mod kept;
pub mod loader;
pub mod loading;
pub mod mount;
pub mod mount_point;
pub mod mountinfo;
pub mod record;
mod reload;
mod service_manager;
pub mod settings;
mod status;
pub mod units;
pub mod workers;

use std::io;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, TERM_SIGNALS};
use signal_hook::iterator::Signals;

pub use self::status::Status;
use self::{
    attendants::Lines,
    connection::Connection,
    kept::Kept,
    loader::{Loaded, Loader},
    mount::MountError,
    mount_point::{MountPoint, MountPointError},
    record::Recorder,
};
use crate::process::channel::Channel;
use crate::process::{Child, ChildError};
use crate::server::{Agreement, Order};
use crate::state::Facts;

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
    /// Held while another generation takes over: one at a time.
    reloading: Mutex<()>,
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
    /// The server that is told about switches, if there is one now.
    server: Option<Server>,
    /// The generation that the kernel remembers nothing older of.
    shown: u64,
    connection: Option<Arc<Connection>>,
    /// What the kernel does for this connection.
    agreement: Agreement,
    restarts: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Server {
    pid: u32,
    channel: Channel,
}

/// Mounts what was loaded and serves it until a signal to stop or somebody's umount(8). Calls `notify` once
/// the files are readable.
///
/// # Errors
/// [`MonitorError`]. Whatever happened, the mount is gone and the generations wiped on return.
pub fn run(
    loader: Loader,
    mount_point: MountPoint,
    loaded: Loaded,
    notify: impl FnOnce() -> io::Result<()>,
) -> Result<(), MonitorError> {
    let mut signals = Signals::new(TERM_SIGNALS.iter().chain(&[SIGHUP])).map_err(MonitorError::Signals)?;
    let listener = signals.handle();
    let claim = control::claim().map_err(MonitorError::Control)?;
    // Somebody else may have mounted while this vault was loaded.
    let mount_point = MountPoint::check(mount_point.path())?;
    let control = control::listen(mount_point.path()).map_err(MonitorError::Control)?;
    let monitor = Monitor::new(loader, mount_point, loaded);
    let connection = monitor.connect()?;
    drop(claim);

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
                    _ => monitor.stop(),
                }
            }
        });
        scope.spawn(|| control.answer(&monitor));
        let notified = connection.mount.wait_until_readable().and_then(|()| notify());
        match &notified {
            Ok(()) => service_manager::ready(&monitor.summary()),
            Err(_) => monitor.stop(),
        }
        let kept = keeper.join();
        listener.close();
        control.close();
        monitor.recorder.finish();
        // A server that failed explains best why nothing was readable.
        kept.map_err(|_| MonitorError::Crash)??;
        notified.map_err(MonitorError::Ready)
    })
}

impl Monitor {
    fn new(loader: Loader, mount_point: MountPoint, loaded: Loaded) -> Self {
        let state = State {
            generations: vec![loaded.generation],
            facts: loaded.facts,
            files: loaded.report.files,
            fallback: loaded.problem.is_some(),
            problem: loaded.problem,
            ..State::default()
        };
        let (changed, reloading) = (Condvar::new(), Mutex::new(()));
        let recorder = Recorder::start();
        Self { loader, mount_point, state: Mutex::new(state), changed, recorder, reloading }
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
        drop(state);
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
        if let Some(connection) = connection {
            connection.mount.end();
        }
        // A server ends with its mount; one that hangs hears nothing of it, and is ended.
        if let Some(server) = self.state().server.take() {
            server.channel.hang_up();
        }
    }

    /// Asks the server whether it answers requests. Tells whether it could be asked.
    fn ping(&self) -> bool {
        // While nobody else speaks to it: a message may be several packets.
        self.state().server.as_ref().is_some_and(|server| server.channel.send(&Order::Ping, &[]).is_ok())
    }

    fn wait_unless_stopping(&self, delay: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout_while(state, delay, |state| !state.stopping));
    }

    /// Gives a server all that it needs. From then on it is told about switches.
    fn hand_over(
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
        let held = [connection.descriptors(), lines.descriptors()].concat();
        let order = Order::Serve { resumes, record: self.loader.settings().record };
        kept::send(&channel, &held, &state.generations, &order)?;
        state.restarts += u64::from(resumes);
        state.agreement = agreement;
        state.server = Some(Server { pid: server.pid(), channel });
        Ok(())
    }

    fn no_server(&self) {
        self.state().server = None;
    }

    /// A server shows a generation, and has no more use for some before it.
    fn shown(&self, generation: u64, dropped: &[u64]) {
        let mut state = self.state();
        state.shown = generation;
        let newest = state.generations.last().map(|kept| kept.number);
        let is_needed = |kept: &Kept| Some(kept.number) == newest || !dropped.contains(&kept.number);
        let gone: Vec<Kept>;
        (state.generations, gone) = take(&mut state.generations).into_iter().partition(is_needed);
        drop(state);
        self.changed.notify_all();
        // Wiping takes a while, which nobody has to wait for.
        drop(gone);
    }
}
