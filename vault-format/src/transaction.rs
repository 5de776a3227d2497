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
//! .vaultgen/commit    which folder this is, then one path to remove a line
//! ```

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{self, Access, AtFlags, FlockOperation, Mode, OFlags},
    io::Errno,
};

use crate::{
    Plaintext, VaultFolder,
    folder::{Entry, FolderError},
};

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
const PRIVATE_FOLDER: Mode = Mode::from_raw_mode(0o700);

/// A vault's folder that no other `vaultgen` changes meanwhile. The lock is an advisory one on
/// the folder itself (flock(2)) and leaves no file behind.
#[derive(Debug)]
pub struct ExclusiveFolder(VaultFolder);

impl ExclusiveFolder {
    /// Waits until no other program holds the lock, takes it, and finishes or undoes a change
    /// that was interrupted.
    ///
    /// # Errors
    ///
    /// If the folder cannot be locked, or an interrupted change cannot be finished or undone.
    pub fn lock(folder: VaultFolder) -> Result<Self, FolderError> {
        fs::flock(folder.root(), FlockOperation::LockExclusive)
            .map_err(|errno| FolderError::io(folder.path(), errno))?;
        let exclusive = Self(folder);
        exclusive.recover()?;
        Ok(exclusive)
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
        self.make_folder(STAGING, PRIVATE_FOLDER)?;
        Ok(Staging { folder: self, removed: BTreeSet::new(), committed: false })
    }

    fn recover(&self) -> Result<(), FolderError> {
        if fs::statat(self.0.root(), STAGING, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Ok(());
        }
        if self.committed()?.is_some() { self.finish() } else { self.undo() }
    }

    /// Writes a new file into the staging folder, and makes sure that it can be moved.
    fn stage_file(&self, path: &str, bytes: &[u8], mode: Mode) -> Result<(), FolderError> {
        let staged = format!("{FILES}/{path}");
        self.make_parents(&staged)?;
        self.write_new(&staged, bytes, mode)?;
        self.make_parents(path)?;
        self.check_target(path)
    }

    /// Refuses a target that a rename could not replace, while nothing has changed yet.
    fn check_target(&self, path: &str) -> Result<(), FolderError> {
        let (parent, name) = self.0.parent_of(path)?;
        let parent = parent.as_ref().map_or(self.0.root(), AsFd::as_fd);
        fs::accessat(parent, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|errno| FolderError::io(&self.0.join(path), errno))?;
        match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if fs::FileType::from_raw_mode(stat.st_mode) != fs::FileType::RegularFile => {
                Err(FolderError::NotPlain(self.0.join(path)))
            }
            _ => Ok(()),
        }
    }

    /// The moment from which the change counts as made.
    fn commit(&self, removed: &BTreeSet<String>) -> Result<(), FolderError> {
        self.sync()?;
        let mut text = self.staging_token()?;
        for path in removed {
            text.push('\n');
            text.push_str(path);
        }
        self.write_new(COMMIT_DRAFT, text.as_bytes(), PRIVATE_FILE)?;
        self.sync()?;
        fs::renameat(self.0.root(), COMMIT_DRAFT, self.0.root(), COMMIT)
            .map_err(|errno| FolderError::io(&self.0.join(COMMIT), errno))?;
        self.sync()
    }

    /// The paths to remove of a committed change, if there is one.
    ///
    /// A commit file counts only in the very folder that it was written in: one that comes with
    /// a clone or pull cannot make us move or remove anything.
    fn committed(&self) -> Result<Option<Vec<String>>, FolderError> {
        let Some(bytes) = self.0.read_if_present(COMMIT, MAX_COMMIT)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        if lines.next() != Some(self.staging_token()?.as_str()) {
            return Ok(None);
        }
        Ok(Some(lines.map(str::to_owned).collect()))
    }

    /// Device and inode number of the staging folder.
    fn staging_token(&self) -> Result<String, FolderError> {
        let stat = fs::statat(self.0.root(), STAGING, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| FolderError::io(&self.0.join(STAGING), errno))?;
        Ok(format!("{}:{}", stat.st_dev, stat.st_ino))
    }

    /// Moves what was committed into place. Can be interrupted and repeated.
    fn finish(&self) -> Result<(), FolderError> {
        let removed = self.committed()?.unwrap_or_default();
        for entry in self.staged_files()? {
            let path = entry.path.strip_prefix("files/").unwrap_or(&entry.path);
            self.make_parents(path)?;
            let (parent, name) = self.0.parent_of(path)?;
            let (staged_parent, _) =
                self.0.parent_of(&format!("{FILES}/{path}")).map(|(fd, name)| (fd, name.len()))?;
            let (from, to) = (self.fd(staged_parent.as_ref()), self.fd(parent.as_ref()));
            fs::renameat(from, name, to, name).map_err(|errno| FolderError::io(&self.0.join(path), errno))?;
        }
        for path in &removed {
            self.remove_file(path)?;
        }
        self.sync()?;
        self.remove_file(COMMIT)?;
        self.remove_staging()
    }

    /// Throws away what was staged, and folders that were made for it.
    fn undo(&self) -> Result<(), FolderError> {
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
            Err(FolderError::Missing(_)) => return Ok(()),
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
        self.folder.stage_file(path, bytes, PUBLIC_FILE)
    }

    /// Stages a key file of the operator, mode 0600, which Git ignores.
    ///
    /// # Errors
    ///
    /// As [`Self::write_public`].
    pub fn write_private(&self, path: &str, bytes: &Plaintext) -> Result<(), FolderError> {
        self.folder.stage_file(path, bytes.expose(), PRIVATE_FILE)
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
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn exclusive() -> (tempfile::TempDir, ExclusiveFolder) {
        let temp = tempfile::tempdir().unwrap();
        let folder = ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap()).unwrap();
        (temp, folder)
    }

    fn stage<'a>(folder: &'a ExclusiveFolder, files: &[(&str, &str)], removed: &[&str]) -> Staging<'a> {
        let mut staging = folder.stage().unwrap();
        for (path, text) in files {
            staging.write_public(path, text.as_bytes()).unwrap();
        }
        for path in removed {
            staging.remove(*path);
        }
        staging
    }

    /// What a killed program leaves: nothing is dropped.
    fn kill(staging: Staging<'_>) {
        std::mem::forget(staging);
    }

    fn tree(folder: &ExclusiveFolder) -> Vec<(String, String)> {
        let read = |entry: Entry| {
            let bytes = folder.folder().read(&entry.path, 99).unwrap();
            (entry.path, String::from_utf8(bytes).unwrap())
        };
        folder.folder().entries().unwrap().into_iter().map(read).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn writes_replaces_and_removes_and_leaves_nothing_else() {
        let (temp, folder) = exclusive();
        stage(&folder, &[("a/b", "1"), ("c", "2"), ("d", "3")], &[]).commit().unwrap();
        let second = stage(&folder, &[("a/b", "4")], &["c", "not-there/x"]);
        second.write_private("key", &Plaintext::from("secret".to_owned())).unwrap();
        second.commit().unwrap();
        assert_eq!(tree(&folder), pairs(&[("a/b", "4"), ("d", "3"), ("key", "secret")]));
        let mode = std::fs::metadata(temp.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!temp.path().join(STAGING).exists());
    }

    #[test]
    fn a_staged_change_is_undone_and_a_committed_one_is_finished() {
        let (temp, folder) = exclusive();
        stage(&folder, &[("a", "old"), ("b", "old")], &[]).commit().unwrap();
        let change = (&[("a", "new"), ("new/c", "new")], &["b"]);

        drop(stage(&folder, change.0, change.1));
        assert_eq!(tree(&folder), pairs(&[("a", "old"), ("b", "old")]));

        kill(stage(&folder, change.0, change.1));
        drop(folder);
        let folder = ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap()).unwrap();
        assert_eq!(tree(&folder), pairs(&[("a", "old"), ("b", "old")]));
        assert!(!temp.path().join("new").exists());

        let staging = stage(&folder, change.0, change.1);
        folder.commit(&staging.removed).unwrap();
        kill(staging);
        drop(folder);
        let folder = ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap()).unwrap();
        assert_eq!(tree(&folder), pairs(&[("a", "new"), ("new/c", "new")]));
    }

    #[test]
    fn a_target_that_cannot_be_replaced_leaves_everything_as_it_was() {
        let (temp, folder) = exclusive();
        stage(&folder, &[("a", "old")], &[]).commit().unwrap();
        std::fs::create_dir(temp.path().join("folder")).unwrap();
        symlink("/tmp", temp.path().join("link")).unwrap();
        for path in ["folder", "link", "link/x"] {
            let staging = stage(&folder, &[("a", "new")], &[]);
            assert!(staging.write_public(path, b"new").is_err(), "{path}");
            drop(staging);
            assert_eq!(folder.folder().read("a", 9).unwrap(), b"old");
            assert!(!temp.path().join(STAGING).exists());
        }
    }

    #[test]
    fn a_commit_file_from_elsewhere_moves_nothing() {
        let (temp, folder) = exclusive();
        stage(&folder, &[("a", "old")], &[]).commit().unwrap();
        drop(folder);
        std::fs::create_dir_all(temp.path().join(FILES)).unwrap();
        std::fs::write(temp.path().join(FILES).join("a"), "hostile").unwrap();
        std::fs::write(temp.path().join(COMMIT), "1:1\na").unwrap();
        let folder = ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap()).unwrap();
        assert_eq!(tree(&folder), pairs(&[("a", "old")]));
    }

    #[test]
    fn a_second_program_waits() {
        let (temp, folder) = exclusive();
        let second = VaultFolder::open(temp.path()).unwrap();
        assert_eq!(
            fs::flock(second.root(), FlockOperation::NonBlockingLockExclusive),
            Err(Errno::WOULDBLOCK)
        );
        drop(folder);
        assert!(ExclusiveFolder::lock(second).is_ok());
    }
}
