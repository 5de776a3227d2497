//! `vaultd unmount`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::failure::Failure;
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

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    mount::require_root()?;
    let mount = match &args.mount_point {
        Some(path) => find(path)?,
        None => only()?,
    };
    mount::detach(&mount)?;
    Ok(ExitCode::SUCCESS)
}

/// The mount at `path`, if it is ours to unmount.
fn find(path: &Path) -> Result<Mounted, Failure> {
    let canonical = path
        .canonicalize()
        .map_err(|error| Failure::new(format!("cannot find {}: {error}", path.display())))?;
    match mountinfo::at(&canonical).map_err(unreadable)? {
        Some(mount) if mount.is_ours() || mount.is_dead() => Ok(mount),
        Some(mount) => Err(Failure::new(format!(
            "{} is not a vault: {} is mounted there",
            path.display(),
            mount.file_system
        ))
        .with_hint(format!("umount {}", path.display()))),
        None => Err(Failure::new(format!(
            "nothing is mounted at {}",
            path.display()
        ))),
    }
}

/// The only vault that is mounted.
fn only() -> Result<Mounted, Failure> {
    let all = mountinfo::all().map_err(unreadable)?;
    let mut vaults: Vec<Mounted> = all.into_iter().filter(Mounted::is_ours).collect();
    match (vaults.pop(), vaults.is_empty()) {
        (Some(vault), true) => Ok(vault),
        (None, _) => Err(Failure::new("no vault is mounted")),
        (Some(_), false) => {
            Err(Failure::new("several vaults are mounted").with_hint("name the mount point"))
        }
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(format!("cannot read /proc/self/mountinfo: {error}"))
}
