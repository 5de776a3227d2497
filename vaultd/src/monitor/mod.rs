//! The privileged half: makes the mount, starts the server, takes the mount away again.

pub mod background;
pub mod mount;
pub mod mount_point;
pub mod mountinfo;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, TERM_SIGNALS};
use signal_hook::iterator::Signals;

use crate::generation::Generation;
use crate::server::{ServeError, serve};
use mount::{Mount, MountError};
use mount_point::MountPoint;

/// Why a mount could not be made or kept.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MonitorError {
    /// The mount could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mount(#[from] MountError),
    /// The server ended on its own.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The server panicked.
    #[error("the server crashed")]
    Crash,
    /// Signals could not be listened to.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The files could not be read after mounting, or nobody could be told that they can.
    #[error("cannot report that the files are readable")]
    Ready(#[source] io::Error),
}

/// Mounts `generation` and serves it until a signal to stop or somebody's umount(8).
/// Calls `notify` once the files are readable.
///
/// # Errors
/// [`MonitorError`]. Whatever happened, the mount is gone and the generation wiped on return.
pub fn run(
    mount_point: &MountPoint,
    device: OwnedFd,
    generation: Generation,
    notify: impl FnOnce() -> io::Result<()>,
) -> Result<(), MonitorError> {
    let mut signals = Signals::new(TERM_SIGNALS.iter().chain(&[SIGHUP])).map_err(MonitorError::Signals)?;
    let listener = signals.handle();
    let mount = Mount::new(mount_point, &device)?;

    thread::scope(|scope| {
        let server = scope.spawn(move || serve(device, Arc::new(generation)));
        scope.spawn(|| {
            // Ends without a signal when the listener is closed.
            let mut signals = signals.forever();
            if signals.next().is_some() {
                mount.end();
            }
            // Whoever asks twice does not want to wait for what is still in flight.
            if let Some(signal) = signals.next() {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
        let notified = mount.wait_until_readable().and_then(|()| notify());
        if notified.is_err() {
            mount.end();
        }
        let served = server.join();
        listener.close();
        // A server that failed explains best why nothing was readable.
        served.map_err(|_| MonitorError::Crash)??;
        notified.map_err(MonitorError::Ready)
    })
}
