//! Making the nodes of a tree from a list of files.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::SystemTime;

use super::{Entry, Facts, Index, Kind, Node, ROOT};

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

impl Index {
    /// Makes the nodes for `entries`, numbered from the first.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn grow(entries: &[Entry]) -> Result<Self, TreeError> {
        entries.iter().try_for_each(check)?;
        let mut leaves: Vec<&Entry> = entries.iter().collect();
        leaves.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));

        // Directories have no time of their own: they show the latest of the files.
        let modified = entries.iter().map(|entry| entry.facts.modified).max();
        let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
        let nodes = vec![directory(0, "", modified)];
        let mut index = Self { nodes, rules: Vec::new(), unused: ROOT + 1 };
        let mut rules = HashMap::new();
        let mut pending = VecDeque::from([Pending { node: 0, leaves: &leaves, prefix: 0 }]);
        while let Some(parent) = pending.pop_front() {
            let first = index.nodes.len();
            let mut directories = 0;
            for same in parent.leaves.chunk_by(|a, b| parent.name(a) == parent.name(b)) {
                let leaf = same[0];
                let node = match parent.rest(leaf).split_once('/') {
                    Some((name, _)) => {
                        pending.push_back(parent.below(index.nodes.len(), name, same));
                        directories += 1;
                        directory(parent.node, name, modified)
                    }
                    None if same.len() == 1 => {
                        let rule = index.rule(&mut rules, &leaf.services);
                        file(parent.node, parent.rest(leaf), leaf, rule)
                    }
                    None => return Err(TreeError::Twice { path: leaf.path.clone() }),
                };
                index.nodes.push(node);
            }
            index.nodes[parent.node].kind =
                Kind::Directory { children: first..index.nodes.len(), directories };
        }
        for (node, number) in index.nodes.iter_mut().zip(ROOT..) {
            (node.number, node.place) = (number, number);
            index.unused = number + 1;
        }
        Ok(index)
    }

    /// The number of a set of units, if there are any in it.
    fn rule<'a>(
        &mut self,
        known: &mut HashMap<&'a BTreeSet<String>, usize>,
        services: &'a BTreeSet<String>,
    ) -> Option<usize> {
        if services.is_empty() {
            return None;
        }
        Some(*known.entry(services).or_insert_with(|| {
            self.rules.push(services.clone());
            self.rules.len() - 1
        }))
    }
}

/// A directory whose children are still to come.
struct Pending<'a> {
    /// Where among the nodes it is.
    node: usize,
    /// The sorted entries below it.
    leaves: &'a [&'a Entry],
    /// Length of its own path in theirs, with the final slash.
    prefix: usize,
}

impl<'a> Pending<'a> {
    fn below(&self, node: usize, name: &str, leaves: &'a [&'a Entry]) -> Self {
        Self { node, leaves, prefix: self.prefix + name.len() + 1 }
    }

    /// The path of a leaf as seen from this directory.
    fn rest(&self, leaf: &'a Entry) -> &'a str {
        &leaf.path[self.prefix..]
    }

    /// The name in this directory that leads to a leaf.
    fn name(&self, leaf: &'a Entry) -> &'a str {
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
    let mode = entry.facts.mode;
    match mode & !0o777 {
        0 => Ok(()),
        _ => Err(TreeError::Mode { path: path.clone(), mode }),
    }
}

/// Everybody may pass through a directory, only root may list it.
fn directory(parent: usize, name: &str, modified: SystemTime) -> Node {
    Node {
        number: 0,
        parent,
        name: name.into(),
        place: 0,
        facts: Facts { owner: 0, group: 0, mode: 0o711, modified },
        rule: None,
        kind: Kind::Directory { children: 0..0, directories: 0 },
    }
}

fn file(parent: usize, name: &str, entry: &Entry, rule: Option<usize>) -> Node {
    let kind = Kind::File(entry.content.clone());
    Node { number: 0, parent, name: name.into(), place: 0, facts: entry.facts, rule, kind }
}
