//! What is different between two generations: for people by name, for the kernel by what it must forget.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::index::{Index, Node};

/// The files that a reload changes, by their paths below the mount point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// New files.
    pub added: Vec<String>,
    /// Files with other bytes, another owner, group, mode or rule.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// What `after` is to somebody who saw `before`.
    #[must_use]
    pub fn between(before: Option<&Index>, after: &Index) -> Self {
        let mut changes = Self::default();
        let is_file = |index: &Index, path: &str| index.at(path).is_some_and(|node| node.content().is_some());
        for path in files_without(after, before) {
            match before.is_some_and(|before| is_file(before, &path)) {
                true => changes.changed.push(path),
                false => changes.added.push(path),
            }
        }
        let gone = before.into_iter().flat_map(|before| files_without(before, Some(after)));
        changes.removed = gone.filter(|path| !is_file(after, path)).collect();
        for list in [&mut changes.added, &mut changes.changed, &mut changes.removed] {
            list.sort();
        }
        changes
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// The paths of the files of an index whose numbers another one has not: all that is in both is the same there.
fn files_without(index: &Index, other: Option<&Index>) -> impl Iterator<Item = String> {
    let numbers: HashSet<u64> = other.into_iter().flat_map(Index::nodes).map(|node| node.number).collect();
    let files = index.nodes().iter().filter(|node| node.content().is_some());
    files.filter(move |node| !numbers.contains(&node.number)).map(|node| index.path(node))
}

/// Something that the kernel may remember and must not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stale {
    /// What a name in a directory leads to.
    Name {
        /// The number of the directory.
        parent: u64,
        /// The name.
        name: String,
    },
    /// Attributes, pages or listing of a node.
    Node(u64),
}

/// What the kernel must forget of `before` when `after` is served. Names come before the directory that they are
/// in: forgetting one waits for whoever lists it, and the list is to be forgotten after that.
#[must_use]
pub fn stale(before: &Index, after: &Index) -> Vec<Stale> {
    let still = after.by_number();
    let mut stale = Vec::new();
    for node in before.nodes().iter().rev() {
        match still.get(&node.number).map(|at| &after.nodes()[*at]) {
            // A directory keeps its number; what is in it may have changed.
            Some(now) if now.content().is_some() || same_listing((before, node), (after, now)) => {}
            Some(_) => stale.push(Stale::Node(node.number)),
            None => {
                let parent = before.parent(node).number;
                stale.push(Stale::Name { parent, name: node.name.to_string() });
                stale.push(Stale::Node(node.number));
            }
        }
    }
    stale
}

/// Whether a directory shows the same, in `stat` and when it is listed.
fn same_listing((before, old): (&Index, &Node), (after, new): (&Index, &Node)) -> bool {
    let numbers = |children: &[Node]| children.iter().map(|child| child.number).collect::<Vec<_>>();
    old.facts == new.facts && numbers(before.children(old)) == numbers(after.children(new))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::SystemTime;

    use vault_format::Digest;

    use super::{Changes, Stale, stale};
    use crate::generation::index::{Content, Entry, Facts, Index};

    fn grow(files: &[(&str, &str)], before: Option<&Index>) -> Index {
        let entry = |(path, bytes): &(&str, &str)| Entry {
            path: (*path).to_owned(),
            facts: Facts { owner: 0, group: 0, mode: 0o400, modified: SystemTime::UNIX_EPOCH },
            services: Arc::default(),
            content: Content { object: 0, span: 0..bytes.len(), digest: Digest::of(bytes.as_bytes()) },
        };
        let mut index = Index::grow(&files.iter().map(entry).collect::<Vec<_>>()).expect("a tree");
        if let Some(before) = before {
            index.follow(before, &HashMap::new()).expect("numbers");
        }
        index
    }

    #[test]
    fn names_what_is_different() {
        let before = grow(&[("a", "1"), ("b", "1"), ("d/c", "1"), ("e/f", "1")], None);
        let after = grow(&[("a", "1"), ("b", "2"), ("d/n", "1"), ("e", "1")], Some(&before));
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let changes = Changes::between(Some(&before), &after);
        assert_eq!(changes.added, names(&["d/n", "e"]));
        assert_eq!(changes.changed, names(&["b"]));
        assert_eq!(changes.removed, names(&["d/c", "e/f"]));
        assert!(Changes::between(Some(&before), &before).is_empty());
        assert_eq!(Changes::between(None, &before).added.len(), 4);
    }

    #[test]
    fn what_did_not_change_stays_in_the_cache() {
        let before = grow(&[("a", "1"), ("b", "1"), ("d/c", "1")], None);
        assert_eq!(stale(&before, &before), []);
        let after = grow(&[("a", "1"), ("b", "2"), ("d/c", "1")], Some(&before));
        let b = before.child(before.root(), b"b").expect("there").number;
        let name = Stale::Name { parent: 1, name: "b".to_owned() };
        assert_eq!(stale(&before, &after), [name, Stale::Node(b), Stale::Node(1)]);
    }
}
