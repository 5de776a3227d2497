//! The directory to mount on: checked, and freed of a dead mount.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::UnmountFlags;

use super::control;
use super::mountinfo::{self, Mounted};

/// Why a directory cannot be mounted on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MountPointError {
    /// There is nothing.
    #[error("mount point {} does not exist", .0.display())]
    #[diagnostic(help("mkdir {}", .0.display()))]
    Missing(PathBuf),
    /// There is something else.
    #[error("mount point {} is not a directory", .0.display())]
    #[diagnostic(help("{ANOTHER}"))]
    NotADirectory(PathBuf),
    /// There are files that the mount would hide.
    #[error("mount point {} is not empty", .0.display())]
    #[diagnostic(help("{ANOTHER}"))]
    NotEmpty(PathBuf),
    /// A living file system is mounted there.
    #[error("mount point {} is busy: {} is mounted there", .0.path.display(), .0.file_system)]
    #[diagnostic(help("{}", how_to_free(.0)))]
    Busy(Mounted),
    /// The directory cannot be examined.
    #[error("cannot examine mount point {}", .path.display())]
    #[diagnostic(help("check that root may enter each folder of that path, or {ANOTHER}"))]
    Examine {
        /// The directory as given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The next step when a directory cannot be used.
const ANOTHER: &str = "name an empty directory; /run/vault is the usual one";

fn how_to_free(mount: &Mounted) -> String {
    let path = mount.path.display();
    if mount.is_ours() { format!("vaultd unmount {path}") } else { format!("umount {path}, or name another") }
}

/// An empty directory on which nothing is mounted, by its canonical path.
#[derive(Debug)]
pub struct MountPoint(PathBuf);

impl MountPoint {
    /// Checks that `path` can be mounted on.
    ///
    /// # Errors
    /// [`MountPointError`]: what is in the way.
    pub fn check(path: &Path) -> Result<Self, MountPointError> {
        let canonical = canonical(path)?;
        if !canonical.is_dir() {
            return Err(MountPointError::NotADirectory(path.to_owned()));
        }
        if let Some(mount) = mounted_at(&canonical)? {
            return Err(MountPointError::Busy(mount));
        }
        let mut names = fs::read_dir(&canonical).map_err(|source| examine(path, source))?;
        match names.next() {
            None => Ok(Self(canonical)),
            Some(_) => Err(MountPointError::NotEmpty(path.to_owned())),
        }
    }

    /// Where a mount of ours is.
    #[must_use]
    pub fn of(mount: &Mounted) -> Self {
        Self(mount.path.clone())
    }

    /// The canonical path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Detaches the FUSE mounts at `path` that nobody serves any more, left by a crash, and returns
/// what they were. A missing path has none.
///
/// # Errors
/// [`MountPointError::Examine`]: the mounts cannot be told or detached.
pub fn detach_dead(path: &Path) -> Result<Vec<Mounted>, MountPointError> {
    let mut detached = Vec::new();
    let canonical = match canonical(path) {
        Err(MountPointError::Missing(_)) => return Ok(detached),
        found => found?,
    };
    while let Some(dead) = mounted_at(&canonical)?.filter(is_left) {
        // Whoever still waits for an answer is let go.
        let flags = UnmountFlags::FORCE | UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&canonical, flags).map_err(|errno| examine(path, errno.into()))?;
        detached.push(dead);
    }
    Ok(detached)
}

/// Whether nobody serves it any more. One of ours is not asked, whose monitor died: it might never answer.
fn is_left(mount: &Mounted) -> bool {
    (mount.is_ours() && control::is_abandoned(&mount.path)) || mount.is_dead()
}

/// The canonical path of a directory, also if whoever serves what is mounted there does not answer.
///
/// # Errors
/// It is not there, or is none.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    fs::read_link(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

fn mounted_at(path: &Path) -> Result<Option<Mounted>, MountPointError> {
    mountinfo::at(path).map_err(|source| examine(path, source))
}

fn canonical(path: &Path) -> Result<PathBuf, MountPointError> {
    path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => MountPointError::Missing(path.to_owned()),
        io::ErrorKind::NotADirectory => MountPointError::NotADirectory(path.to_owned()),
        _ => examine(path, source),
    })
}

fn examine(path: &Path, source: io::Error) -> MountPointError {
    MountPointError::Examine { path: path.to_owned(), source }
}
