//! Moving a new state into place, whole or not at all.
//!
//! A change is staged in the folder [`STAGING`] inside the vault, synced to disk, and then
//! committed by a single rename of the file `commit` inside of it. From then on the change
//! counts as made: [`ExclusiveFolder::lock`] moves the staged files into place, and so does the
//! next program after a crash. Without that file, staged files are thrown away. So after a kill
//! or power cut at any point the vault is exactly the old or the new one.
//!
//! ```text
//! .vaultgen/files/…   the new files, by their path in the vault
//! .vaultgen/commit    one path to remove a line
//! ```
//!
//! Only a staging folder that we made is obeyed: it belongs to us and has the sticky bit, which
//! Git neither stores nor sets. One that came with a clone or pull is an error.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{self, Access, AtFlags, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
    process::geteuid,
};

use crate::{Plaintext, VaultFiles, VaultFolder, files::Entry, folder::FolderError, progress::Work};

/// Where a change is staged: a folder in the vault, on the same file system by construction.
pub const STAGING: &str = ".vaultgen";

const FILES: &str = ".vaultgen/files";
const COMMIT: &str = ".vaultgen/commit";
const COMMIT_DRAFT: &str = ".vaultgen/commit.new";
/// A commit file lists removals only; the largest vault's names fit many times.
const MAX_COMMIT: u64 = 1 << 27;

const PUBLIC_FILE: Mode = Mode::from_raw_mode(0o644);
const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
const FOLDER: Mode = Mode::from_raw_mode(0o755);
/// Ours alone, with the sticky bit as the mark that no Git checkout bears.
const STAGING_FOLDER: Mode = Mode::from_raw_mode(0o1700);

/// A vault's folder that no other `vaultgen` changes meanwhile. The lock is an advisory one on
/// the folder itself (flock(2)) and leaves no file behind.
#[derive(Debug)]
pub struct ExclusiveFolder(VaultFolder);

impl ExclusiveFolder {
    /// Takes the lock, and finishes or undoes a change that was interrupted. If another program
    /// holds the lock, calls `waiting` and waits.
    ///
    /// # Errors
    ///
    /// If the folder cannot be locked, an interrupted change cannot be finished or undone, or there
    /// is a staging folder that is not ours.
    pub fn lock(folder: VaultFolder, waiting: impl FnOnce()) -> Result<Self, FolderError> {
        let lock = |operation| fs::flock(folder.root(), operation);
        match lock(FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                waiting();
                lock(FlockOperation::LockExclusive)
            }
            other => other,
        }
        .map_err(|errno| FolderError::io(folder.path(), errno))?;
        let exclusive = Self(folder);
        exclusive.recover()?;
        Ok(exclusive)
    }

    /// Gives the lock up for one that readers share.
    ///
    /// # Errors
    ///
    /// If the folder cannot be locked.
    pub fn share(self) -> Result<VaultFolder, FolderError> {
        self.0.lock_shared()?;
        Ok(self.0)
    }

    /// The folder, to read.
    #[must_use]
    pub fn folder(&self) -> &VaultFolder {
        &self.0
    }

    /// Starts a change. Nothing of it counts before [`Staging::commit`].
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub fn stage(&self) -> Result<Staging<'_>, FolderError> {
        self.make_folder(STAGING, STAGING_FOLDER)?;
        let folders = Mutex::new(BTreeSet::new());
        Ok(Staging { folder: self, folders, removed: BTreeSet::new(), committed: false })
    }

    fn recover(&self) -> Result<(), FolderError> {
        let staging = match fs::statat(self.0.root(), STAGING, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|errno| FolderError::io(&self.0.join(STAGING), errno))?,
        };
        let is_ours = FileType::from_raw_mode(staging.st_mode) == FileType::Directory
            && Mode::from_raw_mode(staging.st_mode) == STAGING_FOLDER
            && staging.st_uid == geteuid().as_raw();
        if !is_ours {
            return Err(FolderError::ForeignStaging(self.0.join(STAGING)));
        }
        if self.committed()?.is_some() { self.finish() } else { self.undo() }
    }

    /// Refuses what could not be removed. A committed change must be possible to finish, or no
    /// program could ever change the vault again.
    fn check_removal(&self, path: &str) -> Result<(), FolderError> {
        match self.check_target(path).and_then(|()| self.check_folder_of(path)) {
            Err(FolderError::Missing(_)) => Ok(()),
            checked => checked,
        }
    }

    /// Refuses a target that a rename could not replace, while nothing has changed yet.
    fn check_target(&self, path: &str) -> Result<(), FolderError> {
        // Listed by another spelling, it would not be found again; with a newline it would be two.
        if path.escape_default().ne(path.chars()) {
            return Err(FolderError::NotPlain(self.0.join(path)));
        }
        let (parent, name) = self.0.parent_of(path)?;
        match fs::statat(self.fd(parent.as_ref()), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                Err(FolderError::NotPlain(self.0.join(path)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a target in a folder that may not be written to.
    fn check_folder_of(&self, path: &str) -> Result<(), FolderError> {
        let (parent, _) = self.0.parent_of(path)?;
        let parent = self.fd(parent.as_ref());
        fs::accessat(parent, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|errno| FolderError::io(&self.0.join(path), errno))
    }

    /// The moment from which the change counts as made.
    fn commit(&self, removed: &BTreeSet<String>) -> Result<(), FolderError> {
        // After all files are staged, whose folders may stand where a file is to be removed.
        removed.iter().try_for_each(|path| self.check_removal(path))?;
        self.sync()?;
        let removed: String = removed.iter().map(|path| format!("{path}\n")).collect();
        self.write_new(COMMIT_DRAFT, removed.as_bytes(), PRIVATE_FILE)?;
        self.sync()?;
        fs::renameat(self.0.root(), COMMIT_DRAFT, self.0.root(), COMMIT)
            .map_err(|errno| FolderError::io(&self.0.join(COMMIT), errno))
    }

    /// The paths to remove of a committed change, if there is one.
    fn committed(&self) -> Result<Option<Vec<String>>, FolderError> {
        let Some(bytes) = self.0.read_if_present(COMMIT, MAX_COMMIT)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(text.lines().map(str::to_owned).collect()))
    }

    /// Moves what was committed into place. Can be interrupted and repeated.
    fn finish(&self) -> Result<(), FolderError> {
        self.sync()?;
        let removed = self.committed()?.unwrap_or_default();
        let staged = self.staged_files()?;
        let work = Work::on("moving into place", staged.len());
        for neighbours in staged.chunk_by(|one, next| folder_of(&one.path) == folder_of(&next.path)) {
            self.move_neighbours(neighbours, &work)?;
        }
        for path in &removed {
            self.remove_file(path)?;
        }
        self.sync()?;
        self.remove_file(COMMIT)?;
        self.remove_staging()
    }

    /// Moves staged files of one folder into place.
    fn move_neighbours(&self, staged: &[Entry], work: &Work) -> Result<(), FolderError> {
        let target = |entry: &Entry| entry.path.strip_prefix("files/").unwrap_or(&entry.path).to_owned();
        let Some(first) = staged.first().map(target) else { return Ok(()) };
        self.make_parents(&first)?;
        let staged_path = format!("{FILES}/{first}");
        let (staged_parent, _) = self.0.parent_of(&staged_path)?;
        let (parent, _) = self.0.parent_of(&first)?;
        let (from, to) = (self.fd(staged_parent.as_ref()), self.fd(parent.as_ref()));
        for path in staged.iter().map(target) {
            let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
            fs::renameat(from, name, to, name)
                .map_err(|errno| FolderError::io(&self.0.join(&path), errno))?;
            work.advances();
        }
        Ok(())
    }

    /// Throws away what was staged, and folders that were made for it.
    fn undo(&self) -> Result<(), FolderError> {
        self.remove_file(COMMIT_DRAFT)?;
        for entry in self.staged_files()? {
            let path = entry.path.strip_prefix("files/").unwrap_or(&entry.path);
            for (end, _) in path.rmatch_indices('/') {
                self.remove_empty_folder(&path[..end]);
            }
        }
        self.remove_staging()
    }

    fn staged_files(&self) -> Result<Vec<Entry>, FolderError> {
        let staging = VaultFolder::open(&self.0.join(STAGING))?;
        let mut entries = staging.entries()?;
        entries.retain(|entry| entry.is_plain_file && entry.path.starts_with("files/"));
        Ok(entries)
    }

    fn remove_staging(&self) -> Result<(), FolderError> {
        let path = self.0.join(STAGING);
        std::fs::remove_dir_all(&path).map_err(|error| FolderError::Io { path, error })?;
        self.sync()
    }

    fn remove_file(&self, path: &str) -> Result<(), FolderError> {
        let (parent, name) = match self.0.parent_of(path) {
            // A file of this change may stand where its folder would be: then it is not there.
            Err(FolderError::Missing(_) | FolderError::NotPlain(_)) => return Ok(()),
            other => other?,
        };
        match fs::unlinkat(self.fd(parent.as_ref()), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(FolderError::io(&self.0.join(path), errno)),
        }
    }

    /// Only tidies up: a folder that is not empty or cannot be removed does no harm.
    fn remove_empty_folder(&self, path: &str) {
        if let Ok((parent, name)) = self.0.parent_of(path) {
            let _ = fs::unlinkat(self.fd(parent.as_ref()), name, AtFlags::REMOVEDIR);
        }
    }

    fn make_parents(&self, path: &str) -> Result<(), FolderError> {
        for (end, _) in path.match_indices('/') {
            self.make_folder(&path[..end], FOLDER)?;
        }
        Ok(())
    }

    fn make_folder(&self, path: &str, mode: Mode) -> Result<(), FolderError> {
        let (parent, name) = self.0.parent_of(path)?;
        match fs::mkdirat(self.fd(parent.as_ref()), name, mode) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(FolderError::io(&self.0.join(path), errno)),
        }
    }

    fn write_new(&self, path: &str, bytes: &[u8], mode: Mode) -> Result<(), FolderError> {
        let (parent, name) = self.0.parent_of(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(self.fd(parent.as_ref()), name, flags, mode)
            .map_err(|errno| FolderError::io(&self.0.join(path), errno))?;
        let mut file = File::from(file);
        let fault = |error| FolderError::Io { path: self.0.join(path), error };
        file.write_all(bytes).map_err(fault)?;
        sync_file(&file).map_err(fault)
    }

    fn sync(&self) -> Result<(), FolderError> {
        sync_folder(self.0.root()).map_err(|error| FolderError::Io { path: self.0.path().to_owned(), error })
    }

    fn fd<'a>(&'a self, folder: Option<&'a OwnedFd>) -> BorrowedFd<'a> {
        folder.map_or(self.0.root(), AsFd::as_fd)
    }
}

/// A change being put together. Files may be staged from several threads at once; whatever
/// happens before [`Staging::commit`] leaves the vault as it was.
#[derive(Debug)]
pub struct Staging<'a> {
    folder: &'a ExclusiveFolder,
    /// Those that are made and checked, in the staging folder and in the vault.
    folders: Mutex<BTreeSet<String>>,
    removed: BTreeSet<String>,
    committed: bool,
}

impl Staging<'_> {
    /// Stages a file that everybody may read: ciphertext or a public file.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or could not be moved into place.
    pub fn write_public(&self, path: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.write(path, bytes, PUBLIC_FILE)
    }

    /// Stages a key file of the operator, mode 0600, which Git ignores.
    ///
    /// # Errors
    ///
    /// As [`Self::write_public`].
    pub fn write_private(&self, path: &str, bytes: &Plaintext) -> Result<(), FolderError> {
        self.write(path, bytes.expose(), PRIVATE_FILE)
    }

    /// Writes a new file into the staging folder, and makes sure that it can be moved.
    fn write(&self, path: &str, bytes: &[u8], mode: Mode) -> Result<(), FolderError> {
        let staged = format!("{FILES}/{path}");
        let is_known = self.known_folders().contains(folder_of(path));
        if !is_known {
            self.folder.make_parents(&staged)?;
        }
        self.folder.write_new(&staged, bytes, mode)?;
        if !is_known {
            // Only after a file is staged that is to lie in it: else nobody would remove it.
            self.folder.make_parents(path)?;
            self.folder.check_folder_of(path)?;
            self.known_folders().insert(folder_of(path).to_owned());
        }
        self.folder.check_target(path)
    }

    fn known_folders(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a file to remove. One that is not there does no harm.
    pub fn remove(&mut self, path: impl Into<String>) {
        self.removed.insert(path.into());
    }

    /// Makes all of it count at once, and moves it into place.
    ///
    /// # Errors
    ///
    /// Before the change counts: no space, no permission; the vault is as it was. After it: if a
    /// file cannot be moved; the next [`ExclusiveFolder::lock`] goes on.
    pub fn commit(mut self) -> Result<(), FolderError> {
        self.folder.commit(&self.removed)?;
        // From here on it counts, also if a step of finishing fails.
        self.committed = true;
        self.folder.finish()
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // What was staged is worthless. If it cannot be removed, the next program does it.
            let _ = self.folder.undo();
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// On Linux one syncfs(2) per step syncs all files and folders at once; elsewhere each file is
/// synced by itself, and folders as the file system orders them.
#[cfg(target_os = "linux")]
fn sync_folder(folder: BorrowedFd<'_>) -> io::Result<()> {
    fs::syncfs(folder).map_err(Into::into)
}

#[cfg(target_os = "linux")]
fn sync_file(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn sync_folder(folder: BorrowedFd<'_>) -> io::Result<()> {
    fs::fsync(folder).map_err(Into::into)
}

#[cfg(not(target_os = "linux"))]
fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

#[cfg(test)]
mod tests;
