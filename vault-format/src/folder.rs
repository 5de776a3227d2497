//! The vault's folder: files opened beneath its own descriptor, following no link.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Seek},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use miette::Diagnostic;
use rustix::{
    fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags},
    io::Errno,
};
use thiserror::Error;

use crate::{
    Digest,
    cipher::MAX_CIPHERTEXT,
    files::{Entry, VaultFiles},
    stamp::{self, Stamp},
};

/// Most bytes of one file that are read into memory: the largest secret and its age framing.
pub const MAX_FILE: u64 = MAX_CIPHERTEXT as u64;

/// Files that are longer are read twice: once to see that they are what was signed, before they take memory.
const LARGE: u64 = 1 << 20;

/// Folders nest at most this deep.
const MAX_DEPTH: usize = 64;

/// A folder that is or becomes a vault.
///
/// The path that it is opened by may lead over links; inside of it none is followed, so that no
/// commit can make us read or write anywhere else.
#[derive(Debug)]
pub struct VaultFolder {
    path: PathBuf,
    root: OwnedFd,
    /// The number of its file system, if stamps mean something there.
    stamps: OnceLock<Option<u64>>,
}

impl VaultFolder {
    /// Opens the folder.
    ///
    /// # Errors
    ///
    /// If it does not exist, is no folder, or may not be read.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => FolderError::Missing(path.to_owned()),
            Errno::NOTDIR => FolderError::NotAFolder(path.to_owned()),
            errno => FolderError::io(path, errno),
        })?;
        Ok(Self::opened(root, path))
    }

    /// A folder that somebody opened before, for reading.
    #[must_use]
    pub fn opened(root: OwnedFd, path: &Path) -> Self {
        Self { path: path.to_owned(), root, stamps: OnceLock::new() }
    }

    /// The folder's descriptor, to be handed to another process.
    #[must_use]
    pub fn into_root(self) -> OwnedFd {
        self.root
    }

    /// Waits until nobody changes the vault, and keeps it so while this value lives (flock(2)).
    ///
    /// # Errors
    ///
    /// If the file system knows no such locks.
    pub fn lock_shared(&self) -> Result<(), FolderError> {
        fs::flock(&self.root, fs::FlockOperation::LockShared)
            .map_err(|errno| FolderError::io(&self.path, errno))
    }

    /// The path that the folder was opened by, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it, for messages.
    #[must_use]
    pub fn join(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// The folder's own descriptor.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// A plain file, and its size.
    fn open_file(&self, relative: &str) -> Result<(File, u64), FolderError> {
        let path = || self.join(relative);
        let file = File::from(self.open_beneath(relative)?);
        let metadata = file.metadata().map_err(|error| FolderError::Io { path: path(), error })?;
        if !metadata.is_file() {
            return Err(FolderError::NotPlain(path()));
        }
        Ok((file, metadata.len()))
    }

    fn device_with_stamps(&self) -> Option<u64> {
        *self.stamps.get_or_init(|| {
            let kind = fs::fstatfs(&self.root).ok()?.f_type;
            stamp::is_trusted(kind).then(|| fs::fstat(&self.root).map(|stat| stat.st_dev).ok())?
        })
    }

    /// Opens a file of at most `limit` bytes, and tells how many it has.
    fn open_up_to(&self, relative: &str, limit: u64) -> Result<(File, u64), FolderError> {
        let (file, size) = self.open_file(relative)?;
        if size > limit {
            return Err(FolderError::TooLong { path: self.join(relative), limit });
        }
        Ok((file, size))
    }

    fn fault(&self, relative: &str, error: io::Error) -> FolderError {
        FolderError::Io { path: self.join(relative), error }
    }

    fn open_beneath(&self, relative: &str) -> Result<OwnedFd, FolderError> {
        self.check_parts(relative)?;
        // NONBLOCK: a FIFO in place of the file must not make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Some(file) = open_at_once(self.root(), relative, flags) {
            return Ok(file);
        }
        let path = || self.join(relative);
        let (parent, name) = self.parent_of(relative)?;
        let parent = parent.as_ref().map_or(self.root(), AsFd::as_fd);
        fs::openat(parent, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => FolderError::Missing(path()),
            Errno::LOOP | Errno::NXIO => FolderError::NotPlain(path()),
            errno => FolderError::io(&path(), errno),
        })
    }

    /// Opens the folder that holds `relative`, and splits off the last part. Nothing stands for the
    /// vault's own folder.
    pub(crate) fn parent_of<'a>(&self, relative: &'a str) -> Result<(Option<OwnedFd>, &'a str), FolderError> {
        self.check_parts(relative)?;
        let Some((folders, name)) = relative.rsplit_once('/') else { return Ok((None, relative)) };
        match open_at_once(self.root(), folders, FOLDER_FLAGS) {
            Some(folder) => Ok((Some(folder), name)),
            None => Ok((self.walk(relative, folders)?, name)),
        }
    }

    fn check_parts(&self, relative: &str) -> Result<(), FolderError> {
        if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(FolderError::NotPlain(self.join(relative)));
        }
        Ok(())
    }

    /// Opens the `folders` of `relative` part by part: on every system, and with an error that tells
    /// what is wrong.
    fn walk(&self, relative: &str, folders: &str) -> Result<Option<OwnedFd>, FolderError> {
        let mut at: Option<OwnedFd> = None;
        for part in folders.split('/') {
            let parent = at.as_ref().map_or(self.root(), AsFd::as_fd);
            at = Some(open_folder(parent, part).map_err(|errno| match errno {
                Errno::NOENT => FolderError::Missing(self.join(relative)),
                Errno::NOTDIR | Errno::LOOP => FolderError::NotPlain(self.join(folders)),
                errno => FolderError::io(&self.join(folders), errno),
            })?);
        }
        Ok(at)
    }

    fn collect(
        &self,
        folder: OwnedFd,
        prefix: &str,
        depth: usize,
        found: &mut Vec<Entry>,
    ) -> Result<(), FolderError> {
        let fault = |errno| FolderError::io(&self.join(prefix), errno);
        if depth > MAX_DEPTH {
            return Err(fault(Errno::NAMETOOLONG));
        }
        for entry in Dir::read_from(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || (depth == 0 && name.to_bytes() == b".git") {
                continue;
            }
            let path = format!("{prefix}{}", shown(name.to_bytes()));
            let kind = match entry.file_type() {
                // Not every file system tells.
                FileType::Unknown => fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map(|stat| FileType::from_raw_mode(stat.st_mode))
                    .map_err(fault)?,
                kind => kind,
            };
            match kind {
                FileType::Directory => {
                    let inner = open_folder(folder.as_fd(), name).map_err(fault)?;
                    self.collect(inner, &format!("{path}/"), depth + 1, found)?;
                }
                kind => found.push(Entry { path, is_plain_file: kind == FileType::RegularFile }),
            }
        }
        Ok(())
    }
}

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl VaultFiles for VaultFolder {
    /// Into a buffer that never grows.
    fn read(&self, relative: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        let (mut file, size) = self.open_up_to(relative, limit)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact(&mut bytes).map_err(|error| self.fault(relative, error))?;
        Ok(bytes)
    }

    fn read_signed(
        &self,
        relative: &str,
        limit: u64,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, FolderError> {
        let (mut file, size) = self.open_up_to(relative, limit)?;
        // Whoever can put a file here can put a long one here.
        if size > LARGE {
            let found = Digest::of_reader((&file).take(size)).map_err(|error| self.fault(relative, error))?;
            if found != digest {
                return Ok(None);
            }
            file.rewind().map_err(|error| self.fault(relative, error))?;
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact(&mut bytes).map_err(|error| self.fault(relative, error))?;
        Ok((Digest::of(&bytes) == digest).then_some(bytes))
    }

    /// Of a plain file. A link on the way there is none of its business: it leads to another file, or to the same.
    fn stamp(&self, relative: &str) -> Option<Stamp> {
        let device = self.device_with_stamps()?;
        self.check_parts(relative).ok()?;
        let stat = fs::statat(&self.root, relative, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let stamp = Stamp::of(&stat);
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stamp.is_on(device))
            .then_some(stamp)
    }

    /// Not what is Git's own.
    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        let mut entries = Vec::new();
        let root = open_folder(self.root(), ".").map_err(|errno| FolderError::io(&self.path, errno))?;
        self.collect(root, "", 0, &mut entries)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

/// A name as text: what is not printable is escaped, and so are backslashes and quotes (`u8::escape_ascii`).
fn shown(name: &[u8]) -> Cow<'_, str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\\\"'".contains(byte);
    match std::str::from_utf8(name) {
        Ok(text) if name.iter().all(is_plain) => Cow::Borrowed(text),
        _ => Cow::Owned(name.escape_ascii().to_string()),
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    fs::openat(parent, name, FOLDER_FLAGS, Mode::empty())
}

/// Opens a path of several parts beneath `root` with one system call, following no link in any of
/// them (openat2(2), Linux 5.6). Nothing where that cannot be done for whatever reason: then the
/// path is walked.
#[cfg(target_os = "linux")]
fn open_at_once(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Option<OwnedFd> {
    let resolve = fs::ResolveFlags::BENEATH | fs::ResolveFlags::NO_SYMLINKS;
    fs::openat2(root, path, flags, Mode::empty(), resolve).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_at_once(_: BorrowedFd<'_>, _: &str, _: OFlags) -> Option<OwnedFd> {
    None
}

/// Why a file of the vault cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum FolderError {
    /// Not there.
    #[error("{0}: there is no such file or folder")]
    #[diagnostic(help(
        "check the path; a file of a vault is brought back by `git checkout -- FILE` in a clone, elsewhere by a fresh copy"
    ))]
    Missing(PathBuf),
    /// A file where the vault should be.
    #[error("{0}: it is not a folder")]
    #[diagnostic(help("a vault is a folder; name another one with --vault DIR"))]
    NotAFolder(PathBuf),
    /// A link or special file.
    #[error("{0}: it is a symbolic link or a special file")]
    #[diagnostic(help("a vault holds plain files and folders only; find out who replaced it"))]
    NotPlain(PathBuf),
    /// A staging folder that no vaultgen of ours made.
    #[error("{0}: a change is staged here that this program did not stage")]
    #[diagnostic(help(
        "it came with a clone or pull, or belongs to another user: find out who added it, and remove it"
    ))]
    ForeignStaging(PathBuf),
    /// Longer than anything of its kind.
    #[error("{path}: it is longer than {limit} bytes")]
    #[diagnostic(help(
        "no file of a vault is that long; bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most it may have.
        limit: u64,
    },
    /// The system refused.
    #[error("{path}")]
    #[diagnostic(help("check that you may read and write there, and that there is space"))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl FolderError {
    pub(crate) fn io(path: &Path, errno: Errno) -> Self {
        Self::Io { path: path.to_owned(), error: errno.into() }
    }
}

#[cfg(test)]
mod tests;
