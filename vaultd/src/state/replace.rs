//! Putting a file in the place of another: whole or not at all, whatever happens.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Writes the file beside and moves it over, so that a crash or a full disk leaves the old one. All of
/// it is on disk when this returns.
pub(crate) fn replace(path: &Path, mode: u32, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    Draft::write(path, mode, write)?.take_place().map(drop)
}

/// A file that is on disk beside the one whose place it is to take; gone again if it does not.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: File,
    is_in_place: bool,
}

impl Draft {
    /// Writes it.
    pub(crate) fn write(
        path: &Path,
        mode: u32,
        write: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".new");
        let draft = folder_of(path).join(name);
        // Left by a crash. Made anew, so that nobody holds it open and it is no link.
        let _ = fs::remove_file(&draft);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        let draft = Self { path: path.to_owned(), draft, file, is_in_place: false };
        draft.file.set_permissions(fs::Permissions::from_mode(mode))?;
        write(&draft.file)?;
        draft.file.sync_all()?;
        Ok(draft)
    }

    /// Moves it over the other.
    pub(crate) fn take_place(mut self) -> io::Result<File> {
        fs::rename(&self.draft, &self.path)?;
        self.is_in_place = true;
        File::open(folder_of(&self.path))?.sync_all()?;
        self.file.try_clone()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
