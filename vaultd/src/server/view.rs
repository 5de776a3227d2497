//! What a server shows at one moment: the current generation to whoever opens a file now, and those before it
//! to whoever opened one then.

use std::collections::HashSet;
use std::sync::Arc;

use super::handles::Handles;
use crate::generation::{Generation, Node, Stale, stale};

/// The generations that are shown.
#[derive(Debug, Clone)]
pub struct View {
    /// From the oldest to the current one, of which there always is one.
    generations: Vec<Arc<Generation>>,
}

impl View {
    /// Shows the last of `generations`, and what is still open of the others; nothing if there is none.
    #[must_use]
    pub fn of(generations: Vec<Arc<Generation>>) -> Option<Self> {
        (!generations.is_empty()).then_some(Self { generations })
    }

    /// The generation that is opened now.
    #[must_use]
    pub fn current(&self) -> &Arc<Generation> {
        // `of` and the other ways to make a view leave at least one.
        &self.generations[self.generations.len() - 1]
    }

    /// The node of that number, as it can be opened now.
    #[must_use]
    pub fn current_node(&self, number: u64) -> Option<&Node> {
        self.current().node(number)
    }

    /// The node of that number and its generation, also if it can only be read by who has it open.
    #[must_use]
    pub fn node(&self, number: u64) -> Option<(&Generation, &Node)> {
        // The current one has almost everything that is asked for.
        self.generations.iter().rev().find_map(|generation| Some((&**generation, generation.node(number)?)))
    }

    /// This view after a switch to `next`.
    #[must_use]
    pub fn switched_to(&self, next: Arc<Generation>) -> Self {
        Self { generations: self.generations.iter().cloned().chain([next]).collect() }
    }

    /// What the kernel may remember of the generations before the current one, and must not.
    #[must_use]
    pub fn stale(&self) -> Vec<Stale> {
        let current = self.current().index();
        let before = &self.generations[..self.generations.len() - 1];
        before.iter().flat_map(|generation| stale(generation.index(), current)).collect()
    }

    /// Whether the node is one that only who has it open can read.
    #[must_use]
    pub fn is_superseded(&self, number: u64) -> bool {
        self.current_node(number).is_none()
    }

    /// This view without the generations of which nothing is open any more, and the numbers of these.
    #[must_use]
    pub fn without_what_nobody_has_open(&self, handles: &Handles) -> (Self, Vec<u64>) {
        let mut needed: HashSet<u64> = handles.nodes();
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for generation in self.generations.iter().rev() {
            // A node is read from the newest generation that has it.
            let before = needed.len();
            needed.retain(|number| generation.node(*number).is_none());
            match kept.is_empty() || needed.len() < before {
                true => kept.push(Arc::clone(generation)),
                false => gone.push(generation.number()),
            }
        }
        kept.reverse();
        (Self { generations: kept }, gone)
    }
}
