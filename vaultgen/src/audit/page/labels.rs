//! Names that fit into boxes, and that still tell the boxes apart.

use std::collections::BTreeSet;

/// The labels as they are drawn, of so many letters at most: the middle goes, since names differ at their ends. Two that
/// look the same then are counted.
pub fn fitted<'a>(labels: impl IntoIterator<Item = &'a str>, letters: usize) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let one = |label: &str| {
        let mut drawn = without_middle(label, letters, "…");
        let mut number = 2;
        while !taken.insert(drawn.clone()) {
            drawn = without_middle(label, letters, &format!("…{number}…"));
            number += 1;
        }
        drawn
    };
    labels.into_iter().map(one).collect()
}

fn without_middle(label: &str, letters: usize, middle: &str) -> String {
    let count = label.chars().count();
    if count <= letters && middle == "…" {
        return label.to_owned();
    }
    let room = letters.saturating_sub(middle.chars().count());
    let (head, tail) = (room - room * 2 / 5, room * 2 / 5);
    let start = label.chars().take(head);
    start.chain(middle.chars()).chain(label.chars().skip(count.saturating_sub(tail))).collect()
}
