//! `vaultd unmount`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::monitor::mount;
use crate::monitor::mountinfo::{self, Mounted};

/// Stop serving a vault, or clean up a dead mount
///
/// Files that are still open stay readable until they are closed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the vault is mounted; may be left out if there is only one
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    let mount = match &args.mount_point {
        Some(path) => find(path)?,
        None => only()?,
    };
    mount::detach(&mount)?;
    Ok(ExitCode::SUCCESS)
}

/// The mount at `path`, if it is ours to unmount.
fn find(path: &Path) -> Result<Mounted, UnmountError> {
    let examine = |error| UnmountError::Examine { path: path.to_owned(), error };
    let canonical = path.canonicalize().map_err(examine)?;
    match mountinfo::at(&canonical).map_err(UnmountError::MountTable)? {
        Some(mount) if mount.is_ours() || mount.is_dead() => Ok(mount),
        Some(mount) => Err(UnmountError::NotOurs { path: path.to_owned(), file_system: mount.file_system }),
        None => Err(UnmountError::NotMounted(path.to_owned())),
    }
}

/// The only vault that is mounted.
fn only() -> Result<Mounted, UnmountError> {
    let all = mountinfo::all().map_err(UnmountError::MountTable)?;
    let mut vaults: Vec<Mounted> = all.into_iter().filter(Mounted::is_ours).collect();
    match (vaults.pop(), vaults.is_empty()) {
        (Some(vault), true) => Ok(vault),
        (None, _) => Err(UnmountError::NoVault),
        (Some(_), false) => Err(UnmountError::Several),
    }
}

/// Why nothing was unmounted.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum UnmountError {
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
    #[diagnostic(help("name the mount point: vaultd unmount MOUNTPOINT"))]
    Several,
}
