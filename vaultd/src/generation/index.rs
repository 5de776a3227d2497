//! What is served, without its bytes: directories and files as numbered nodes.
//!
//! A number stands for one (bytes, owner, group, mode, time, rule) as long as the mount lives: what did not change
//! since the generation before keeps its number, what did gets one that nothing had. Nodes lie in
//! breadth-first order of their names, so the children of a directory are neighbours: a look-up is a binary
//! search in place.

mod grow;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use vault_format::Digest;

pub use self::grow::TreeError;

/// The number of the directory at the mount point (`FUSE_ROOT_ID`).
pub const ROOT: u64 = 1;

/// A file to be served.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path below the mount point, e.g. `certs/localhost-key.pem`.
    pub path: String,
    /// What everybody sees of it.
    pub facts: Facts,
    /// The units whose processes alone may open it; empty if all may.
    pub services: Arc<BTreeSet<String>>,
    /// Its bytes.
    pub content: Content,
}

/// Who may do what with a node, and since when it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Owning user.
    pub owner: u32,
    /// Owning group.
    pub group: u32,
    /// Permission bits, at most `0o777`.
    pub mode: u16,
    /// All of its times.
    pub modified: SystemTime,
}

/// The bytes of a file: where they lie, and what tells them from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Which of the generation's objects.
    pub object: usize,
    /// Where in it.
    pub span: Range<usize>,
    /// SHA-256 of the ciphertext that they came from.
    pub digest: Digest,
}

/// A file or directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// Its number, as `stat` shows it.
    pub number: u64,
    /// Where among the nodes its directory is; the root is in itself.
    pub parent: usize,
    /// Its name in there; empty for the root.
    pub name: Box<str>,
    /// Where it stands when its directory is listed: the first number that anything of this name had there, since
    /// when the name is there. A listing that goes on after a switch so goes on where it was.
    pub place: u64,
    /// Who may do what with it.
    pub facts: Facts,
    /// Which of the index's sets of units may open it; none for a file that is not only for some.
    rule: Option<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Kind {
    /// A file.
    File(Content),
    /// A directory.
    Directory {
        /// Indices of its children, which are neighbours sorted by name.
        children: Range<usize>,
        /// How many of them are directories.
        directories: u32,
    },
}

/// All nodes of a generation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    nodes: Vec<Node>,
    /// Each set of units that a file is only for, once.
    rules: Vec<BTreeSet<String>>,
    /// The lowest number that no node had yet, in this generation or one before.
    unused: u64,
}

impl Index {
    /// Numbers the nodes anew: those that are as in `before` have the number that they had there, all others one
    /// that nothing had. Bytes are the same if their digest is, or if it was `renewed` from that one.
    ///
    /// # Errors
    /// [`TreeError::TooMany`].
    pub fn follow(&mut self, before: &Self, renewed: &HashMap<Digest, Digest>) -> Result<(), TreeError> {
        self.unused = before.unused;
        // Where among the nodes before each of ours is, by its path.
        let mut was: Vec<Option<&Node>> = vec![None; self.nodes.len()];
        was[0] = Some(before.root());
        for at in 1..self.nodes.len() {
            let node = &self.nodes[at];
            let old = was[node.parent].and_then(|parent| before.child(parent, node.name.as_bytes()));
            was[at] = old;
            let is_same =
                |old: &&Node| node.is_same(old, renewed) && self.services(node) == before.services(old);
            self.nodes[at].number = match old.filter(is_same) {
                Some(old) => old.number,
                None => {
                    let number = self.unused;
                    self.unused = number.checked_add(1).ok_or(TreeError::TooMany)?;
                    number
                }
            };
            self.nodes[at].place = old.map_or(self.nodes[at].number, |old| old.place);
        }
        Ok(())
    }

    /// Gives the file at `at` among the nodes to others. If that changes anything, it gets a number that nothing had.
    ///
    /// # Errors
    /// [`TreeError::TooMany`].
    pub fn give(&mut self, at: usize, owner: u32, group: u32, mode: u16) -> Result<(), TreeError> {
        let node = &mut self.nodes[at];
        let facts = Facts { owner, group, mode, ..node.facts };
        if facts != node.facts {
            (node.facts, node.number) = (facts, self.unused);
            self.unused = self.unused.checked_add(1).ok_or(TreeError::TooMany)?;
        }
        Ok(())
    }

    /// All nodes, the root first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The units whose processes alone may open a file; nothing where all may.
    #[must_use]
    pub fn services(&self, node: &Node) -> Option<&BTreeSet<String>> {
        // Out of bounds is a panic rather than a file that is open to all; `Generation::open` lets it not come
        // to that.
        node.rule.map(|rule| &self.rules[rule])
    }

    /// Whether every rule of a file is there.
    #[must_use]
    pub fn has_all_rules(&self) -> bool {
        self.nodes.iter().filter_map(|node| node.rule).all(|rule| rule < self.rules.len())
    }

    /// The directory at the mount point.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.nodes[0]
    }

    /// The directory that a node is in.
    #[must_use]
    pub fn parent(&self, node: &Node) -> &Node {
        &self.nodes[node.parent]
    }

    /// What is in a directory, sorted by name; nothing for a file.
    #[must_use]
    pub fn children(&self, node: &Node) -> &[Node] {
        match &node.kind {
            Kind::Directory { children, .. } => &self.nodes[children.clone()],
            Kind::File(_) => &[],
        }
    }

    /// Where among the nodes the children of each directory are, in the order in which they are listed.
    #[must_use]
    pub fn by_place(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        for node in &self.nodes {
            if let Kind::Directory { children, .. } = &node.kind {
                order[children.clone()].sort_by_key(|at| self.nodes[*at].place);
            }
        }
        order
    }

    /// The child of that name.
    #[must_use]
    pub fn child(&self, directory: &Node, name: &[u8]) -> Option<&Node> {
        let children = self.children(directory);
        let found = children.binary_search_by(|child| child.name.as_bytes().cmp(name));
        found.ok().map(|at| &children[at])
    }

    /// The node at a path below the mount point.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('/').try_fold(self.root(), |node, name| self.child(node, name.as_bytes()))
    }

    /// The path of a node below the mount point.
    #[must_use]
    pub fn path(&self, node: &Node) -> String {
        let mut names = Vec::new();
        let mut at = node;
        while at.number != ROOT {
            names.push(&*at.name);
            at = self.parent(at);
        }
        names.reverse();
        names.join("/")
    }

    /// Where among the nodes each number is.
    #[must_use]
    pub fn by_number(&self) -> HashMap<u64, usize> {
        self.nodes.iter().enumerate().map(|(at, node)| (node.number, at)).collect()
    }

    /// Where the bytes of each ciphertext are.
    #[must_use]
    pub fn contents(&self) -> HashMap<Digest, &Content> {
        self.nodes.iter().filter_map(Node::content).map(|content| (content.digest, content)).collect()
    }
}

impl Node {
    /// The bytes of a file, nothing for a directory.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            Kind::Directory { .. } => None,
        }
    }

    /// Whether it is what `old` was, wherever the bytes lie. What is in a directory may differ.
    fn is_same(&self, old: &Self, renewed: &HashMap<Digest, Digest>) -> bool {
        match (self.content(), old.content()) {
            (Some(new), Some(content)) => {
                let same_bytes =
                    new.digest == content.digest || renewed.get(&new.digest) == Some(&content.digest);
                same_bytes && self.facts == old.facts
            }
            (None, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
