//! A folder that lies in memory alone, for the time that an editor needs one.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{fs::FlockOperation, process::geteuid};
use tempfile::TempDir;

use crate::signals::{BeforeEnd, ENDING};

/// How the folders are called, so that what a killed program left can be found.
const PREFIX: &str = "odbox-edit-";
/// Where every Linux system has memory as a file system.
const SHARED_MEMORY: &str = "/dev/shm";
/// statfs(2): tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// How often a folder is tried to be removed that an editor still writes into, and the pause between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// A folder of the operator's alone, removed when dropped, and before a signal ends this program.
pub struct RamFolder {
    folder: TempDir,
    watch: BeforeEnd,
    /// Held while it is in use.
    _lock: File,
}

impl RamFolder {
    /// Makes one in `XDG_RUNTIME_DIR` if that is ours, or else in `/dev/shm`. Removes what a killed program left there.
    /// Nothing where neither is in memory.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> io::Result<Option<Self>> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let places = runtime.into_iter().chain([PathBuf::from(SHARED_MEMORY)]);
        let Some(place) = places.into_iter().find(|place| is_usable(place)) else { return Ok(None) };
        remove_stale(&place)?;
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(place)?;
        let lock = File::open(folder.path())?;
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        let doomed = folder.path().to_owned();
        let watch = BeforeEnd::of(&ENDING, move || drop(remove(&doomed)))?;
        Ok(Some(Self { folder, watch, _lock: lock }))
    }

    /// Waits for an editor, which has the keyboard meanwhile: Control-C is for the editor.
    pub fn lend_keyboard<T>(&self, edit: impl FnOnce() -> T) -> T {
        self.watch.lend_keyboard(edit)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for RamFolder {
    fn drop(&mut self) {
        // What is left all the same, the next one removes.
        let _ = remove(self.folder.path());
    }
}

/// Removes a folder and all in it. Somebody else may be quicker, or still write into it.
fn remove(folder: &Path) -> io::Result<()> {
    for _ in 1..TRIES {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => return Ok(()),
            Err(_) => thread::sleep(PAUSE),
            Ok(()) => return Ok(()),
        }
    }
    fs::remove_dir_all(folder)
}

/// Whether a folder is in memory and nobody else's to give: ours, or the system's for all.
fn is_usable(place: &Path) -> bool {
    let is_ours = fs::metadata(place).is_ok_and(|metadata| metadata.uid() == geteuid().as_raw());
    (is_ours || place == Path::new(SHARED_MEMORY)) && is_in_memory(place)
}

fn is_in_memory(place: &Path) -> bool {
    let kind = rustix::fs::statfs(place).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
    kind.is_some_and(|kind| IN_MEMORY.contains(&kind))
}

/// Removes folders of ours that nobody holds.
fn remove_stale(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // Whose it was may be removing it just now.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
            continue;
        }
        let Ok(folder) = File::open(entry.path()) else { continue };
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
