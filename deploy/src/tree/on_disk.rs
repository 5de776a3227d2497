//! A tree on a disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rayon::prelude::*;
use thiserror::Error;

use super::{MANIFEST_FILE, Manifest, ROOT_FOLDER, Tree, draft::Draft};
use crate::{system::Content, value::AbsolutePath};

/// A tree that cannot be written or read.
#[derive(Debug, Error, Diagnostic)]
pub enum TreeError {
    /// Something else is there.
    #[error("`{0}` is there, and is no tree that `deploy render` wrote")]
    #[diagnostic(help("name a folder that is not there yet, is empty, or was rendered before"))]
    NoTree(PathBuf),
    /// There is no folder to put it into.
    #[error("there is no folder `{0}` to write into")]
    #[diagnostic(help("make that one first"))]
    NoParent(PathBuf),
    /// Nothing is there, or something else.
    #[error("`{0}` is no tree that `deploy render` wrote")]
    #[diagnostic(help("render one first: `deploy render NODE --out DIR`"))]
    NotRendered(PathBuf),
    /// Its manifest is not one.
    #[error("`{0}` is no manifest: {1}")]
    #[diagnostic(help("render the tree anew"))]
    Manifest(PathBuf, serde_json::Error),
    /// It says of a file what cannot be.
    #[error("the manifest of `{0}` names `{1}`, which cannot be")]
    #[diagnostic(help("render the tree anew"))]
    Path(PathBuf, String),
    /// The system refuses.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.to_owned();
    move |error| TreeError::Io { path, error }
}

impl Tree {
    /// Writes the tree to a folder, in the place of one that was rendered before.
    ///
    /// # Errors
    ///
    /// If anything else is there, or the system refuses; then what was there is as it was.
    pub fn write(&self, folder: &Path) -> Result<(), TreeError> {
        refuse_what_is_no_tree(folder)?;
        let draft = Draft::beside(folder)?;
        self.write_into(&draft.tree())?;
        draft.take_place(folder)
    }

    fn write_into(&self, folder: &Path) -> Result<(), TreeError> {
        let root = folder.join(ROOT_FOLDER);
        fs::create_dir_all(&root).map_err(at(&root))?;
        let parents: BTreeSet<PathBuf> = self.files.keys().map(|path| below(&root, &path.parent())).collect();
        parents.iter().try_for_each(|parent| fs::create_dir_all(parent).map_err(at(parent)))?;
        self.files.par_iter().try_for_each(|(path, content)| {
            let path = below(&root, path);
            match content {
                Content::Text(text) => fs::write(&path, text).map_err(at(&path))?,
                Content::Bytes(bytes) => fs::write(&path, bytes).map_err(at(&path))?,
                Content::Folder => fs::create_dir_all(&path).map_err(at(&path))?,
                Content::Link(target) => link(target, &path)?,
            }
            Ok(())
        })?;
        let manifest = folder.join(MANIFEST_FILE);
        fs::write(&manifest, self.manifest.to_text()).map_err(at(&manifest))
    }

    /// Reads a tree that was rendered.
    ///
    /// # Errors
    ///
    /// If it is none, or lacks a file.
    pub fn read(folder: &Path) -> Result<Self, TreeError> {
        let path = folder.join(MANIFEST_FILE);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                TreeError::NotRendered(folder.to_owned())
            }
            _ => at(&path)(error),
        })?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| TreeError::Manifest(path.clone(), error))?;
        let root = folder.join(ROOT_FOLDER);
        let mut files = BTreeMap::new();
        for (name, facts) in &manifest.files {
            let no_path = || TreeError::Path(folder.to_owned(), name.clone());
            let path = AbsolutePath::of_file(name).map_err(|_| no_path())?;
            let content = match (facts.kind.as_str(), &facts.target) {
                ("folder", _) => Content::Folder,
                ("link", Some(target)) => {
                    Content::Link(AbsolutePath::of_file(target).map_err(|_| no_path())?)
                }
                ("file", _) => content(&below(&root, &path), facts.sha256.is_some())?,
                _ => return Err(no_path()),
            };
            files.insert(path, content);
        }
        Ok(Self { files, manifest })
    }
}

fn content(path: &Path, is_bytes: bool) -> Result<Content, TreeError> {
    let bytes = fs::read(path).map_err(at(path))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) if !is_bytes => Content::Text(text),
        Ok(text) => Content::Bytes(text.into_bytes()),
        Err(error) => Content::Bytes(error.into_bytes()),
    })
}

/// Where a file of the machine is in a tree.
fn below(root: &Path, path: &AbsolutePath) -> PathBuf {
    root.join(path.as_str().trim_start_matches('/'))
}

#[cfg(unix)]
fn link(target: &AbsolutePath, path: &Path) -> Result<(), TreeError> {
    std::os::unix::fs::symlink(target.as_str(), path).map_err(at(path))
}

/// Where there are no symbolic links, the manifest alone has them.
#[cfg(not(unix))]
fn link(_: &AbsolutePath, _: &Path) -> Result<(), TreeError> {
    Ok(())
}

/// A tree may be replaced, and an empty folder.
fn refuse_what_is_no_tree(folder: &Path) -> Result<(), TreeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(TreeError::NoTree(folder.to_owned()));
        }
        other => other.map_err(at(folder))?,
    };
    let is_empty = entries.count() == 0;
    let is_tree = fs::read_to_string(folder.join(MANIFEST_FILE))
        .is_ok_and(|text| serde_json::from_str::<Manifest>(&text).is_ok());
    if is_empty || is_tree { Ok(()) } else { Err(TreeError::NoTree(folder.to_owned())) }
}
