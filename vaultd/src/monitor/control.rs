//! The monitor's socket, by which `vaultd` commands speak with it. Only root can reach it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen as start_listening, shutdown, socket_with, sockopt,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vault_format::{Digest, report};

use super::Monitor;
use super::loader::Intent;
use super::mountinfo::Mounted;
use crate::generation::{Changes, Facts};
use crate::process::channel::Channel;
use crate::process::{Answer, blob};
use crate::state::escape;

/// Where the sockets of all mounts are.
const FOLDER: &str = "/run/vaultd";

/// How long somebody who connected may take to say what for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a process may take to die on a busy machine.
pub const DYING: Duration = Duration::from_secs(5);

/// What a command asks.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// How it goes.
    Status,
    /// Who may open a file, by its path below the mount point: a [`Rule`], if it is served.
    Rule(String),
    /// To load the vault anew.
    Reload {
        /// Only to say what would change.
        dry_run: bool,
    },
}

/// What a reload changed, or would change.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reloaded {
    /// By name.
    pub changes: Changes,
    /// Worth a look.
    pub warnings: Vec<String>,
}

/// Who may open a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Owner, group and mode.
    pub facts: Facts,
    /// The units whose processes alone may; empty if all may.
    pub services: BTreeSet<String>,
}

/// Why a monitor could not be asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AskError {
    /// Nobody listens.
    #[error("{}: nobody serves this mount any more, or something else than vaultd", .0.display())]
    #[diagnostic(help("clean it up with `vaultd unmount {}`, and mount it again", .0.display()))]
    Nobody(PathBuf, #[source] io::Error),
    /// No answer that can be understood.
    #[error("no answer from the monitor of {}", .0.display())]
    #[diagnostic(help("ask again; if it stays silent, see `journalctl -u vaultd`, then `vaultd unmount {}` and mount again", .0.display()))]
    Silent(PathBuf, #[source] io::Error),
    /// It says no, in words for people.
    #[error("{}", .0.trim_start_matches("error: "))]
    Refused(String),
}

/// Asks the monitor of a mount.
///
/// # Errors
/// [`AskError`].
pub fn ask<T: DeserializeOwned>(mount: &Mounted, question: &Question) -> Result<T, AskError> {
    let nobody = |errno: Errno| AskError::Nobody(mount.path.clone(), errno.into());
    let silent = |error| AskError::Silent(mount.path.clone(), error);
    let socket = new_socket().map_err(nobody)?;
    let address = SocketAddrUnix::new(path_of(&mount.path)).map_err(nobody)?;
    connect(&socket, &address).map_err(nobody)?;
    let channel = Channel::from(socket);
    channel.send(question, &[]).map_err(silent)?;
    let (answer, received) = channel
        .receive::<Answer<()>>()
        .and_then(|received| received.ok_or(io::ErrorKind::UnexpectedEof.into()))
        .map_err(silent)?;
    match (answer, received.into_iter().next()) {
        (Answer::Done(()), Some(answer)) => blob::read_json(&answer).map_err(silent),
        (Answer::Failed(text), _) => Err(AskError::Refused(text)),
        (Answer::Done(()), None) | (Answer::Filling, _) => Err(silent(io::ErrorKind::InvalidData.into())),
    }
}

/// A socket that commands can connect to.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    inode: u64,
}

/// Held while somebody looks whether a mount point is free, and mounts: one at a time.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "the lock ends with the file")] File);

/// Waits until nobody else is about to mount. Makes the folder of the sockets.
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub fn claim() -> io::Result<Claim> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(FOLDER)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::open(FOLDER, flags, Mode::empty())?);
    if folder.metadata()?.uid() != 0 {
        let owner = format!("{FOLDER} does not belong to root");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, owner));
    }
    folder.set_permissions(fs::Permissions::from_mode(0o700))?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
    Ok(Claim(folder))
}

/// Makes the socket of a mount that nobody serves yet, as who has a [`Claim`] knows.
///
/// # Errors
/// It cannot be made.
pub fn listen(mount_point: &Path) -> io::Result<Listener> {
    let path = path_of(mount_point);
    // Left by a monitor that was killed: the mount point is free, so nobody listens.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = new_socket()?;
    bind(&socket, &SocketAddrUnix::new(&path)?)?;
    start_listening(&socket, 16)?;
    let inode = fs::symlink_metadata(&path)?.ino();
    Ok(Listener { socket, path, inode })
}

impl Listener {
    /// Answers whoever asks until the socket is closed.
    pub fn answer(&self, monitor: &Monitor) {
        thread::scope(|scope| {
            loop {
                match accept_with(&self.socket, SocketFlags::CLOEXEC) {
                    Ok(socket) => {
                        scope.spawn(move || {
                            // Who went away does not need an answer.
                            let _ = answer_one(monitor, socket);
                        });
                    }
                    Err(Errno::INTR | Errno::CONNABORTED) => {}
                    Err(Errno::INVAL) => break,
                    // There is no descriptor left, or no memory: there may be again.
                    Err(_) => monitor.wait_unless_stopping(PATIENCE),
                }
            }
        });
    }

    /// Takes no more questions.
    pub fn close(&self) {
        // It fails if nobody ever asked, and the thread that waits for questions ends all the same.
        let _ = shutdown(&self.socket, Shutdown::Both);
        // The next monitor may have made its own already.
        let _claim = claim();
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a mount that is gone, if its monitor was killed and left it.
///
/// # Errors
/// It is there and cannot be removed.
pub fn remove_abandoned(mount_point: &Path) -> io::Result<()> {
    let _claim = claim()?;
    let path = path_of(mount_point);
    match connect(&new_socket()?, &SocketAddrUnix::new(&path)?) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// Whether the monitor of this mount died, or is dying.
#[must_use]
pub fn is_abandoned(mount_point: &Path) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset};
    let has_ended = || -> io::Result<bool> {
        let socket = new_socket()?;
        connect(&socket, &SocketAddrUnix::new(path_of(mount_point))?)?;
        let channel = Channel::from(socket);
        channel.wait_at_most(Some(DYING))?;
        channel.send(&Question::Status, &[])?;
        Ok(channel.receive::<Answer<()>>()?.is_none())
    };
    let is_refused =
        |error: io::Error| matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset);
    has_ended().unwrap_or_else(is_refused)
}

fn answer_one(monitor: &Monitor, socket: OwnedFd) -> io::Result<()> {
    if !sockopt::socket_peercred(&socket)?.uid.is_root() {
        return Ok(());
    }
    let channel = Channel::from(socket);
    channel.wait_at_most(Some(PATIENCE))?;
    let Some((question, _)) = channel.receive::<Question>()? else { return Ok(()) };
    let answer = match question {
        Question::Rule(path) => monitor.rule(&path).and_then(|rule| blob::write_json("rule", &rule)),
        Question::Status => blob::write_json("status", &monitor.status()),
        Question::Reload { dry_run } => {
            match monitor.reload(if dry_run { Intent::Look } else { Intent::Serve }) {
                Ok((changes, warnings)) => blob::write_json("reloaded", &Reloaded { changes, warnings }),
                Err(error) => return channel.send(&Answer::<()>::Failed(report::render(&error)), &[]),
            }
        }
    };
    channel.send(&Answer::Done(()), &[answer?.as_fd()])
}

fn new_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Longest name of a socket's file in bytes, without its ending: a socket's path has at most 107 (unix(7)).
const LONGEST_NAME: usize = 80;

fn path_of(mount_point: &Path) -> PathBuf {
    // A mount point has an absolute path; one that had not would have no socket either.
    let mut name = escape(mount_point).unwrap_or_default();
    if name.len() > LONGEST_NAME {
        name = Digest::of(name.as_bytes()).to_string().into();
    }
    name.push(".sock");
    Path::new(FOLDER).join(name)
}
