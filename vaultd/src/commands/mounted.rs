//! Which mount a command is about: the one at a path, or the only one.

use std::io;
use std::path::{Path, PathBuf};

use crate::monitor::mountinfo::{self, Mounted};

/// The vault at `path`, or the only one that is mounted.
///
/// # Errors
/// [`MountedError`].
pub(super) fn vault(path: Option<&Path>) -> Result<Mounted, MountedError> {
    match path {
        Some(path) => find(path),
        None => only(),
    }
}

/// The mount at `path`, if it is ours, or nobody's any more.
fn find(path: &Path) -> Result<Mounted, MountedError> {
    let examine = |error| MountedError::Examine { path: path.to_owned(), error };
    let canonical = path.canonicalize().map_err(examine)?;
    match mountinfo::at(&canonical).map_err(MountedError::MountTable)? {
        Some(mount) if mount.is_ours() || mount.is_dead() => Ok(mount),
        Some(mount) => Err(MountedError::NotOurs { path: path.to_owned(), file_system: mount.file_system }),
        None => Err(MountedError::NotMounted(path.to_owned())),
    }
}

/// The only vault that is mounted.
fn only() -> Result<Mounted, MountedError> {
    let all = mountinfo::all().map_err(MountedError::MountTable)?;
    let mut vaults: Vec<Mounted> = all.into_iter().filter(Mounted::is_ours).collect();
    match (vaults.pop(), vaults.is_empty()) {
        (Some(vault), true) => Ok(vault),
        (None, _) => Err(MountedError::NoVault),
        (Some(_), false) => Err(MountedError::Several),
    }
}

/// Why it is not known which mount is meant.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum MountedError {
    #[error("cannot find {}", .path.display())]
    #[diagnostic(help("see where vaults are mounted: findmnt -t fuse.vaultd"))]
    Examine {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("cannot read /proc/self/mountinfo")]
    MountTable(#[source] io::Error),
    #[error("{} is not a vault: {file_system} is mounted there", .path.display())]
    #[diagnostic(help("umount {}", .path.display()))]
    NotOurs { path: PathBuf, file_system: String },
    #[error("nothing is mounted at {}", .0.display())]
    #[diagnostic(help("see where vaults are mounted: findmnt -t fuse.vaultd"))]
    NotMounted(PathBuf),
    #[error("no vault is mounted")]
    #[diagnostic(help("a dead mount is cleaned up by its path: vaultd unmount MOUNTPOINT"))]
    NoVault,
    #[error("several vaults are mounted")]
    #[diagnostic(help("name the mount point after the verb, as in `vaultd status MOUNTPOINT`"))]
    Several,
}
