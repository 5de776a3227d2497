//! Answers the kernel's FUSE requests from a generation.
//!
//! The server mounts nothing and owns no path: it is given the `/dev/fuse` descriptor of a mount
//! that somebody else made, and keeps no state between requests, so that another process may go
//! on where this one stopped.

mod attributes;
mod filesystem;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use fuser::{Config, Session, SessionACL};

use crate::generation::Generation;
use filesystem::Server;

/// Threads that answer requests: enough to overlap, each costs a buffer.
const THREADS: std::ops::RangeInclusive<usize> = 2..=8;

/// Why serving ended, other than by unmounting.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ServeError {
    /// The first exchange with the kernel failed.
    #[error("cannot agree with the kernel on how to serve")]
    Handshake(#[source] io::Error),
    /// The connection broke.
    #[error("lost the connection to the kernel")]
    Connection(#[source] io::Error),
}

/// Serves `generation` on a mount's `/dev/fuse` descriptor until it is unmounted.
///
/// # Errors
/// [`ServeError`]: the connection to the kernel failed.
pub fn serve(device: OwnedFd, generation: Arc<Generation>) -> Result<(), ServeError> {
    let threads = thread::available_parallelism().map_or(*THREADS.start(), usize::from);
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(threads.clamp(*THREADS.start(), *THREADS.end()));
    // A cloned descriptor would take its requests in flight with it when it closes.
    config.clone_fd = false;

    Session::from_fd(Server::new(generation), device, SessionACL::All, config)
        .map_err(ServeError::Handshake)?
        .run()
        .map_err(ServeError::Connection)
}
