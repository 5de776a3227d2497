//! One state of the vault as served: a tree of nodes, and the arena with their bytes.

mod tree;

use std::fmt;
use std::time::SystemTime;

use nix::unistd::{Gid, Uid};
use rayon::prelude::*;

pub use tree::{Inode, Kind, Node, Tree, TreeError};

use crate::sys::memory::{Arena, Blank, Locking, MemoryError, Residency};

/// A file to be served, before its bytes are known.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path below the mount point, e.g. `certs/localhost-key.pem`.
    pub path: String,
    /// Owning user.
    pub owner: Uid,
    /// Owning group.
    pub group: Gid,
    /// Permission bits, at most `0o777`.
    pub mode: u16,
    /// Shown as all of the file's times.
    pub modified: SystemTime,
    /// Exact length in bytes.
    pub size: usize,
}

/// Why a generation could not be made. Every problem of its kind is listed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError<E: fmt::Debug> {
    /// The entries make no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Together the entries are longer than memory can be.
    #[error("the secrets are too large to be held in memory")]
    TooLarge,
    /// There is no memory to hold them safely.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Memory(#[from] MemoryError),
    /// Entries that could not be filled, by their index.
    #[error("{} files could not be read", .0.len())]
    Fill(Vec<(usize, E)>),
}

/// What is served: all of it verified and decrypted, none of it ever changed.
#[derive(Debug)]
pub struct Generation {
    tree: Tree,
    arena: Arena,
}

impl Generation {
    /// Lays out `entries` and has `fill` write the bytes of each, in parallel: it is given an
    /// entry's index and exactly its `size` zeroed bytes. One failure fails all, after all
    /// were tried.
    ///
    /// # Errors
    /// [`BuildError`]; whatever was filled in is wiped.
    pub fn build<E, F>(entries: &[Entry], locking: Locking, fill: F) -> Result<Self, BuildError<E>>
    where
        E: fmt::Debug + Send,
        F: Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    {
        let tree = Tree::grow(entries)?;
        let total = entries
            .iter()
            .try_fold(0usize, |total, entry| total.checked_add(entry.size))
            .ok_or(BuildError::TooLarge)?;
        let mut blank = Blank::new(total, locking)?;
        let problems: Vec<(usize, E)> = split(blank.bytes_mut(), entries)
            .into_par_iter()
            .enumerate()
            .filter_map(|(index, part)| Some((index, fill(index, part).err()?)))
            .collect();
        if !problems.is_empty() {
            return Err(BuildError::Fill(problems));
        }
        Ok(Self { tree, arena: blank.seal()? })
    }

    /// Files and directories.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The memory that all files lie in, to be handed to another process.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Bytes of a file of this generation, `None` for a directory.
    #[must_use]
    pub fn contents(&self, node: &Node) -> Option<&[u8]> {
        match &node.kind {
            Kind::File { span } => self.arena.bytes().get(span.clone()),
            Kind::Directory { .. } => None,
        }
    }

    /// Whether the plaintext can be swapped out.
    #[must_use]
    pub fn residency(&self) -> Residency {
        self.arena.residency()
    }
}

/// Cuts the arena into one part per entry, in the order given.
fn split<'a>(mut rest: &'a mut [u8], entries: &[Entry]) -> Vec<&'a mut [u8]> {
    let mut parts = Vec::with_capacity(entries.len());
    for entry in entries {
        let (part, after) = rest.split_at_mut(entry.size);
        parts.push(part);
        rest = after;
    }
    parts
}
