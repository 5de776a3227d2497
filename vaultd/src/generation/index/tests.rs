//! Trees and their numbers.

use super::{Content, Entry, Facts, Index, TreeError};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;
use vault_format::Digest;

fn entry(path: &str) -> Entry {
    Entry {
        path: path.to_owned(),
        facts: Facts { owner: 0, group: 0, mode: 0o400, modified: SystemTime::UNIX_EPOCH },
        services: Arc::default(),
        content: Content { object: 0, span: 0..path.len(), digest: Digest::of(path.as_bytes()) },
    }
}

fn units(names: &[&str]) -> Arc<BTreeSet<String>> {
    Arc::new(names.iter().map(|name| (*name).to_owned()).collect())
}

fn grow(paths: &[&str]) -> Result<Index, TreeError> {
    Index::grow(&paths.iter().copied().map(entry).collect::<Vec<_>>())
}

#[test]
fn finds_every_file_where_it_was_put() {
    let paths = ["a/b/c", "a-b", "z", "a/b-c", "a/b/a"];
    let index = grow(&paths).expect("a tree");
    for path in paths {
        let found = path.split('/').try_fold(index.root(), |at, name| index.child(at, name.as_bytes()));
        let found = found.unwrap_or_else(|| panic!("{path} is there"));
        assert_eq!(index.path(found), path);
        assert_eq!(found.content().map(|content| content.digest), Some(Digest::of(path.as_bytes())));
    }
}

#[test]
fn numbers_do_not_depend_on_the_order_given() {
    let names = |index: Index| -> Vec<_> { index.nodes.into_iter().map(|n| (n.number, n.name)).collect() };
    let forth = grow(&["a/b", "c", "a/d", "e/f/g"]).expect("a tree");
    let back = grow(&["e/f/g", "a/d", "c", "a/b"]).expect("a tree");
    assert_eq!(names(forth), names(back));
}

#[test]
fn only_what_is_the_same_keeps_its_number() {
    let entries =
        ["same", "mode", "bytes", "time", "rule", "same-rule", "gone", "d/same", "file-then-folder"];
    let mut entries = entries.map(entry);
    entries[4].services = units(&["a.service"]);
    entries[5].services = units(&["b.service", "c.service"]);
    let before = Index::grow(&entries).expect("a tree");
    let mut after = entries.to_vec();
    after[0].content.digest = Digest::of(b"same bytes, encrypted anew");
    let renewed = HashMap::from([(after[0].content.digest, entries[0].content.digest)]);
    after[1].facts.mode = 0o440;
    after[2].content.digest = Digest::of(b"other");
    after[3].facts.modified = SystemTime::now();
    after[4].services = Arc::default();
    after[6] = entry("new");
    after[8] = entry("file-then-folder/x");
    let mut after = Index::grow(&after).expect("a tree");
    after.follow(&before, &renewed).expect("numbers");
    let kept: Vec<String> = after
        .nodes()
        .iter()
        .filter(|node| before.nodes().iter().any(|old| old.number == node.number))
        .map(|node| after.path(node))
        .collect();
    assert_eq!(kept, ["", "d", "same", "same-rule", "d/same"]);

    let mut back = Index::grow(&entries).expect("a tree");
    back.follow(&after, &HashMap::new()).expect("numbers");
    let number = |index: &Index, name: &[u8]| index.child(index.root(), name).map(|node| node.number);
    assert_ne!(number(&back, b"mode"), number(&before, b"mode"), "no number is ever used again");
}

#[test]
fn a_name_stays_where_it_is_listed() {
    let listed = |index: &Index| -> Vec<(u64, String)> {
        let places = index.by_place().into_iter().map(|at| &index.nodes()[at]);
        places.map(|node| (node.place, index.path(node))).collect()
    };
    let before = grow(&["d/b", "d/c", "d/e"]).expect("a tree");
    let mut changed = ["d/a", "d/c", "d/e"].map(entry);
    changed[1].content.digest = Digest::of(b"other");
    let mut after = Index::grow(&changed).expect("a tree");
    after.follow(&before, &HashMap::new()).expect("numbers");
    let (was, is) = (listed(&before), listed(&after));
    // The root, the folder, and b or nothing come first.
    assert_eq!(was[3..], is[2..4], "what stays is where it was");
    assert_eq!(is[4].1, "d/a", "what is new comes last");

    let mut back = grow(&["d/b", "d/c", "d/e"]).expect("a tree");
    back.follow(&after, &HashMap::new()).expect("numbers");
    assert_eq!(listed(&back)[4].1, "d/b", "what comes back is new");
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
    let mut wide = entry("a");
    wide.facts.mode = 0o4755;
    assert!(matches!(Index::grow(&[wide]), Err(TreeError::Mode { .. })));
}

#[test]
fn an_empty_vault_is_a_root_without_children() {
    let index = grow(&[]).expect("a tree");
    assert_eq!(index.nodes().len(), 1);
    assert!(index.children(index.root()).is_empty());
}

#[test]
fn a_rule_is_told_once_and_never_lost() {
    let mut entries = ["a", "b", "c", "d"].map(entry);
    entries[1].services = units(&["x.service"]);
    entries[2].services = units(&["x.service"]);
    entries[3].services = units(&["x.service", "y.service"]);
    let index = Index::grow(&entries).expect("a tree");
    let services = |path| index.services(index.at(path).expect("a file"));
    assert_eq!(services("a"), None);
    assert_eq!(services("b"), Some(&*units(&["x.service"])));
    assert_eq!(services("c"), services("b"));
    assert_eq!(services("d"), Some(&*units(&["x.service", "y.service"])));
    assert_eq!(index.rules.len(), 2);
    assert!(index.has_all_rules());
    let forged = Index { rules: Vec::new(), ..index };
    assert!(!forged.has_all_rules(), "a file that lost its rule is not one that is open to all");
}

/// A monitor that goes on with what another version wrote reads this.
#[test]
fn is_written_as_the_format_of_parked_mounts_says() {
    let mut one = entry("a/b");
    one.services = units(&["a.service"]);
    let written = postcard::to_allocvec(&Index::grow(&[one, entry("c")]).expect("a tree")).expect("bytes");
    let expected = "3ba4adeb46f9685785cb046bc6487726128a0e15c4bf72258b4a2f07fcda6f64";
    assert_eq!(Digest::of(&written).to_string(), expected, "raise FORMAT in monitor/parking/manifest.rs");
}
