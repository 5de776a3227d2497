//! Directories and files as numbered nodes.
//!
//! Nodes are numbered breadth-first in the order of their names, so the children of a directory
//! are neighbours: a look-up is a binary search in place, and the same entries get the same
//! inode numbers in every process.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::SystemTime;

use nix::unistd::{Gid, Uid};

use super::Entry;

/// Longest name of a file or directory in bytes (NAME_MAX of tmpfs).
const NAME_MAX: usize = 255;

/// Why entries make no tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Not a relative path of plain names.
    #[error("{path:?} is not a path that can be served")]
    Path {
        /// The path as given.
        path: String,
    },
    /// Permission bits beyond `0o777`.
    #[error("{path:?} has mode {mode:o}, which is more than permission bits")]
    Mode {
        /// Whose mode it is.
        path: String,
        /// The mode as given.
        mode: u16,
    },
    /// Two entries with this path, or one that is a file here and a directory there.
    #[error("{path:?} is served twice")]
    Twice {
        /// The path as given.
        path: String,
    },
    /// More nodes than can be numbered.
    #[error("too many files")]
    TooMany,
}

/// Number of a node, as `stat` shows it; the root is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode(u32);

impl Inode {
    /// The directory at the mount point.
    pub const ROOT: Self = Self(1);

    /// The number as the kernel wants it.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// The number of the node at `index`.
    fn at(index: usize) -> Result<Self, TreeError> {
        let number = u32::try_from(index + 1).map_err(|_| TreeError::TooMany)?;
        Ok(Self(number))
    }

    fn index(self) -> usize {
        self.0 as usize - 1
    }
}

/// A file or directory.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub inode: Inode,
    /// The directory it is in; the root is in itself.
    pub parent: Inode,
    /// Its name in there; empty for the root.
    pub name: Box<str>,
    /// Owning user.
    pub owner: Uid,
    /// Owning group.
    pub group: Gid,
    /// Permission bits.
    pub mode: u16,
    /// All of its times.
    pub modified: SystemTime,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// A file, and where in the arena its bytes are.
    File {
        /// Byte offsets.
        span: Range<usize>,
    },
    /// A directory.
    Directory {
        /// Indices of its children, which are neighbours sorted by name.
        children: Range<usize>,
        /// How many of them are directories.
        directories: u32,
    },
}

/// All nodes of a generation.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Makes the nodes for `entries`, whose bytes lie one after the other in the order given.
    pub(super) fn grow(entries: &[Entry]) -> Result<Self, TreeError> {
        entries.iter().try_for_each(check)?;
        let mut leaves = leaves(entries);
        leaves.sort_by(|a, b| a.entry.path.split('/').cmp(b.entry.path.split('/')));

        // Directories have no time of their own: they show the latest of the files.
        let modified = entries.iter().map(|entry| entry.modified).max();
        let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
        let mut nodes = vec![directory(Inode::ROOT, Inode::ROOT, "", modified)];
        let mut pending = VecDeque::from([Pending::root(&leaves)]);
        while let Some(parent) = pending.pop_front() {
            let first = nodes.len();
            let mut directories = 0;
            for same in parent.leaves.chunk_by(|a, b| parent.name(a) == parent.name(b)) {
                let inode = Inode::at(nodes.len())?;
                match parent.rest(&same[0]).split_once('/') {
                    Some((name, _)) => {
                        nodes.push(directory(inode, parent.inode, name, modified));
                        pending.push_back(parent.below(inode, name, same));
                        directories += 1;
                    }
                    None if same.len() == 1 => {
                        let name = parent.rest(&same[0]);
                        nodes.push(file(inode, parent.inode, name, &same[0]));
                    }
                    None => {
                        let path = same[0].entry.path.clone();
                        return Err(TreeError::Twice { path });
                    }
                }
            }
            nodes[parent.inode.index()].kind = Kind::Directory { children: first..nodes.len(), directories };
        }
        Ok(Self { nodes })
    }

    /// The node with this number, if there is one.
    #[must_use]
    pub fn node(&self, inode: u64) -> Option<&Node> {
        let index = usize::try_from(inode).ok()?.checked_sub(1)?;
        self.nodes.get(index)
    }

    /// What is in a directory, sorted by name; nothing for a file.
    #[must_use]
    pub fn children(&self, node: &Node) -> &[Node] {
        match &node.kind {
            Kind::Directory { children, .. } => &self.nodes[children.clone()],
            Kind::File { .. } => &[],
        }
    }

    /// The child of that name.
    #[must_use]
    pub fn child(&self, directory: &Node, name: &[u8]) -> Option<&Node> {
        let children = self.children(directory);
        let found = children.binary_search_by(|child| child.name.as_bytes().cmp(name));
        found.ok().map(|index| &children[index])
    }

    /// All nodes, the root first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

/// An entry with its place in the arena.
struct Leaf<'a> {
    entry: &'a Entry,
    span: Range<usize>,
}

fn leaves(entries: &[Entry]) -> Vec<Leaf<'_>> {
    let mut end = 0usize;
    let leaf = |entry: &'_ Entry| {
        let start = end;
        // A sum that overflows is refused before an arena is made; no node outlives that.
        end = end.wrapping_add(entry.size);
        start..end
    };
    let spans: Vec<_> = entries.iter().map(leaf).collect();
    let pairs = entries.iter().zip(spans);
    pairs.map(|(entry, span)| Leaf { entry, span }).collect()
}

/// A directory whose children are still to be numbered.
struct Pending<'a> {
    inode: Inode,
    /// The sorted entries below it.
    leaves: &'a [Leaf<'a>],
    /// Length of its own path in theirs, with the final slash.
    prefix: usize,
}

impl<'a> Pending<'a> {
    fn root(leaves: &'a [Leaf<'a>]) -> Self {
        Self { inode: Inode::ROOT, leaves, prefix: 0 }
    }

    fn below(&self, inode: Inode, name: &str, leaves: &'a [Leaf<'a>]) -> Self {
        Self { inode, leaves, prefix: self.prefix + name.len() + 1 }
    }

    /// The path of a leaf as seen from this directory.
    fn rest(&self, leaf: &Leaf<'a>) -> &'a str {
        &leaf.entry.path[self.prefix..]
    }

    /// The name in this directory that leads to a leaf.
    fn name(&self, leaf: &Leaf<'a>) -> &'a str {
        let rest = self.rest(leaf);
        rest.split_once('/').map_or(rest, |(name, _)| name)
    }
}

fn check(entry: &Entry) -> Result<(), TreeError> {
    let path = &entry.path;
    let plain = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= NAME_MAX;
    if !path.split('/').all(plain) || path.contains(char::is_control) {
        return Err(TreeError::Path { path: path.clone() });
    }
    if entry.mode & !0o777 != 0 {
        return Err(TreeError::Mode { path: path.clone(), mode: entry.mode });
    }
    Ok(())
}

/// Everybody may pass through a directory, only root may list it.
fn directory(inode: Inode, parent: Inode, name: &str, modified: SystemTime) -> Node {
    Node {
        inode,
        parent,
        name: name.into(),
        owner: Uid::from_raw(0),
        group: Gid::from_raw(0),
        mode: 0o711,
        modified,
        kind: Kind::Directory { children: 0..0, directories: 0 },
    }
}

fn file(inode: Inode, parent: Inode, name: &str, leaf: &Leaf<'_>) -> Node {
    Node {
        inode,
        parent,
        name: name.into(),
        owner: leaf.entry.owner,
        group: leaf.entry.group,
        mode: leaf.entry.mode,
        modified: leaf.entry.modified,
        kind: Kind::File { span: leaf.span.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Kind, Tree, TreeError};
    use nix::unistd::{Gid, Uid};
    use std::time::SystemTime;

    fn entry(path: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            owner: Uid::from_raw(0),
            group: Gid::from_raw(0),
            mode: 0o400,
            modified: SystemTime::UNIX_EPOCH,
            size: path.len(),
        }
    }

    fn grow(paths: &[&str]) -> Result<Tree, TreeError> {
        Tree::grow(&paths.iter().copied().map(entry).collect::<Vec<_>>())
    }

    #[test]
    fn finds_every_file_where_it_was_put() {
        let paths = ["a/b/c", "a-b", "z", "a/b-c", "a/b/a"];
        let tree = grow(&paths).expect("a tree");
        let mut start = 0;
        for path in paths {
            let root = &tree.nodes()[0];
            let found = path.split('/').try_fold(root, |at, name| tree.child(at, name.as_bytes()));
            let Some(Kind::File { span }) = found.map(|node| &node.kind) else {
                panic!("{path} is not a file");
            };
            assert_eq!(*span, start..start + path.len());
            start = span.end;
        }
    }

    #[test]
    fn numbers_do_not_depend_on_the_order_given() {
        let names = |tree: Tree| -> Vec<_> { tree.nodes.into_iter().map(|n| n.name).collect() };
        let forth = grow(&["a/b", "c", "a/d", "e/f/g"]).expect("a tree");
        let back = grow(&["e/f/g", "a/d", "c", "a/b"]).expect("a tree");
        assert_eq!(names(forth), names(back));
    }

    #[test]
    fn refuses_what_is_no_tree() {
        for paths in [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"]] {
            assert!(matches!(grow(&paths), Err(TreeError::Twice { .. })), "{paths:?}");
        }
        let long = "n".repeat(256);
        for path in ["", "/a", "a/", "a//b", ".", "a/../b", "a\nb", "a\0b", &long] {
            assert!(matches!(grow(&[path]), Err(TreeError::Path { .. })), "{path:?}");
        }
        let mode = Entry { mode: 0o4755, ..entry("a") };
        assert!(matches!(Tree::grow(&[mode]), Err(TreeError::Mode { .. })));
    }

    #[test]
    fn an_empty_vault_is_a_root_without_children() {
        let tree = grow(&[]).expect("a tree");
        assert_eq!(tree.nodes().len(), 1);
        assert!(tree.children(&tree.nodes()[0]).is_empty());
    }
}
