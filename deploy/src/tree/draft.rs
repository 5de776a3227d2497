//! Where a tree is written before it takes its place, and how it does: there is a whole tree at any moment, the one
//! before or the new one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::on_disk::{TreeError, at};

/// How the name of a draft begins.
const PREFIX: &str = ".deploy-render-";
/// The tree within a draft; what was in its place before, once they have changed places.
const NEW: &str = "new";
/// What was in its place before, where the file system cannot exchange two folders.
const OLD: &str = "old";

/// A folder beside the place of a tree, locked as long as somebody writes to it.
pub(super) struct Draft {
    // Removed before the lock is let go.
    folder: TempDir,
    _lock: Option<File>,
}

impl Draft {
    /// A draft beside the place of a tree.
    ///
    /// # Errors
    ///
    /// If there is no folder to make it in, or it cannot be made.
    pub fn beside(place: &Path) -> Result<Self, TreeError> {
        let parent = parent(place);
        if !parent.is_dir() {
            return Err(TreeError::NoParent(parent.to_owned()));
        }
        loop {
            let draft = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(at(parent))?;
            match lock(draft.path()) {
                Ok(Lock::Ours(lock)) => return Ok(Self { folder: draft, _lock: Some(lock) }),
                // Another run took it for what a killed one left.
                Ok(Lock::Taken) => {}
                // Nobody can lock here, so nobody cleans up either.
                Err(_) => return Ok(Self { folder: draft, _lock: None }),
            }
        }
    }

    /// Where the tree is to be written.
    pub fn tree(&self) -> PathBuf {
        self.folder.path().join(NEW)
    }

    /// Moves the tree to its place; what was there is removed, and what killed runs left beside it.
    ///
    /// # Errors
    ///
    /// If the system refuses; then what was there is as it was.
    pub fn take_place(self, place: &Path) -> Result<(), TreeError> {
        self.put(place).map_err(at(place))?;
        drop(self);
        clean_up(parent(place));
        Ok(())
    }

    fn put(&self, place: &Path) -> io::Result<()> {
        let new = self.tree();
        match fs::rename(&new, place) {
            Err(error) if is_in_the_way(&error) => {}
            moved => return moved,
        }
        match exchange(&new, place) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                let old = self.folder.path().join(OLD);
                fs::rename(place, &old)?;
                // What was there is put back; if that fails as well, there is nothing left to try.
                fs::rename(new, place).inspect_err(|_| drop(fs::rename(&old, place)))
            }
            exchanged => exchanged,
        }
    }
}

/// Whether what is in a place is more than an empty folder.
fn is_in_the_way(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes drafts of runs that were killed. Whatever cannot be removed is left to the next run.
fn clean_up(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for draft in named.map(|entry| entry.path()).filter(|path| is_draft_of_ours(path)) {
        if let Ok(Lock::Ours(_lock)) = lock(&draft) {
            let _ = fs::remove_dir_all(draft);
        }
    }
}

/// Whether a folder is ours, and has nothing in it that a draft has not.
fn is_draft_of_ours(folder: &Path) -> bool {
    let is_ours = fs::symlink_metadata(folder).is_ok_and(|facts| facts.is_dir() && is_of_user(&facts));
    let is_part = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| [NEW, OLD].iter().any(|part| entry.file_name() == *part))
    };
    is_ours && fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_part))
}

/// What came of locking a draft.
enum Lock {
    /// It is locked as long as the file is open.
    Ours(File),
    /// Somebody else has locked it, or removed it.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nobody locks there"))]
    Taken,
}

#[cfg(target_os = "linux")]
fn lock(folder: &Path) -> io::Result<Lock> {
    use std::os::unix::fs::MetadataExt;

    use rustix::{
        fs::{FlockOperation, Mode, OFlags, flock, open},
        io::Errno,
    };

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Lock::Taken),
        opened => File::from(opened?),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(Lock::Taken),
        locked => locked?,
    }
    // It may have been removed by who had it locked before.
    let locked = file.metadata()?;
    let is_it = |found: fs::Metadata| (found.dev(), found.ino()) == (locked.dev(), locked.ino());
    Ok(if fs::symlink_metadata(folder).is_ok_and(is_it) { Lock::Ours(file) } else { Lock::Taken })
}

#[cfg(not(target_os = "linux"))]
fn lock(_: &Path) -> io::Result<Lock> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn is_of_user(facts: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    facts.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(target_os = "linux"))]
fn is_of_user(_: &fs::Metadata) -> bool {
    false
}

/// Has two folders change places, in one step.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] where the file system cannot; else why the system refuses.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
