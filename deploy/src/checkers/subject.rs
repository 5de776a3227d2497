//! What checkers look at: a system, and its files laid out in a folder of their own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use miette::IntoDiagnostic;
use tempfile::TempDir;

use super::program::hand_over;
use crate::{
    pipeline::Resolved,
    system::Content,
    tree::{ROOT_FOLDER, Tree},
    value::AbsolutePath,
};

/// The tree, within a temporary folder.
const TREE: &str = "tree";

/// What a checker may look at.
pub struct Subject<'a> {
    /// The system.
    pub resolved: &'a Resolved,
    /// Its files.
    pub tree: &'a Tree,
    /// The same files on disk, below a folder that is the machine's root, each with its permission bits.
    pub root: PathBuf,
    folder: &'a Path,
}

impl<'a> Subject<'a> {
    pub(super) fn new(resolved: &'a Resolved, tree: &'a Tree, folder: &'a Path) -> Self {
        Self { resolved, tree, root: folder.join(TREE).join(ROOT_FOLDER), folder }
    }

    /// The text at a path of the machine.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&'a str> {
        let path = AbsolutePath::of_file(path).ok()?;
        text(self.tree.files.get(&path)?)
    }

    /// Every text whose path begins so.
    pub fn texts_below(&self, folder: &str) -> impl Iterator<Item = (&'a AbsolutePath, &'a str)> {
        let is_below = move |path: &AbsolutePath| path.as_str().starts_with(folder);
        let files = self.tree.files.iter().filter(move |(path, _)| is_below(path));
        files.filter_map(|(path, content)| Some((path, text(content)?)))
    }

    /// Where a path of the machine is below the root on disk.
    #[must_use]
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A new folder for a checker, in which its program may write.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        hand_over(&folder)?;
        Ok(folder)
    }
}

fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(text),
        Content::Bytes(_) | Content::Folder | Content::Link(_) => None,
    }
}

/// Lays out a tree in a temporary folder: readable by all, since it holds no secrets and what checks it is not root.
pub(super) fn laid_out(tree: &Tree) -> miette::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("deploy-check-").tempdir().into_diagnostic()?;
    set_mode(folder.path(), 0o755).into_diagnostic()?;
    let out = folder.path().join(TREE);
    tree.write(&out)?;
    let root = out.join(ROOT_FOLDER);
    for (path, facts) in tree.manifest.files.iter().filter(|(_, facts)| facts.kind == "file") {
        let mode = u32::from_str_radix(&facts.mode, 8).unwrap_or(0o644);
        set_mode(&root.join(path.trim_start_matches('/')), mode | 0o444).into_diagnostic()?;
    }
    Ok(folder)
}

#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
