//! A folder that lies in memory alone, for the time that an editor needs one.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::FlockOperation, process::geteuid};
use tempfile::TempDir;

/// How the folders are called, so that what a killed program left can be found.
const PREFIX: &str = "odbox-edit-";
/// Where every Linux system has memory as a file system.
const SHARED_MEMORY: &str = "/dev/shm";
/// statfs(2): tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// A folder of the operator's alone, removed when dropped.
pub struct RamFolder {
    folder: TempDir,
    /// Held while it is in use.
    _lock: File,
}

impl RamFolder {
    /// Makes one in `XDG_RUNTIME_DIR`, or else in `/dev/shm`. Removes what a killed program left there.
    /// Nothing where neither is in memory.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> io::Result<Option<Self>> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let places = runtime.into_iter().chain([PathBuf::from(SHARED_MEMORY)]);
        let Some(place) = places.into_iter().find(|place| is_in_memory(place)) else { return Ok(None) };
        remove_stale(&place)?;
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(place)?;
        let lock = File::open(folder.path())?;
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        Ok(Some(Self { folder, _lock: lock }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn is_in_memory(place: &Path) -> bool {
    let kind = rustix::fs::statfs(place).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    kind.is_some_and(|kind| IN_MEMORY.contains(&kind))
}

/// Removes folders of ours that nobody holds.
fn remove_stale(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let metadata = entry.metadata()?;
        if !is_ours || !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
            continue;
        }
        let Ok(folder) = File::open(entry.path()) else { continue };
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
