//! What a server shows at one moment: the current generation to whoever opens a file now, and those before it
//! to whoever opened one then.

use std::collections::HashSet;
use std::sync::Arc;

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

    /// The generation of that number.
    #[must_use]
    pub fn generation(&self, number: u64) -> Option<&Generation> {
        self.generations
            .iter()
            .map(|generation| &**generation)
            .find(|generation| generation.number() == number)
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

    /// The files that only who has them open can read.
    #[must_use]
    pub fn superseded(&self) -> HashSet<u64> {
        let is_superseded = |stale: Stale| match stale {
            Stale::Node(number) => self.is_superseded(number).then_some(number),
            Stale::Name { .. } => None,
        };
        self.stale().into_iter().filter_map(is_superseded).collect()
    }

    /// This view without the generations of which nothing is `open` or `listed` any more, and the numbers of these.
    #[must_use]
    pub fn without_what_nobody_has_open(
        &self,
        open: HashSet<u64>,
        listed: &HashSet<u64>,
    ) -> (Self, Vec<u64>) {
        let mut needed = open;
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for generation in self.generations.iter().rev() {
            // A node is read from the newest generation that has it.
            let before = needed.len();
            needed.retain(|number| generation.node(*number).is_none());
            let is_listed = listed.contains(&generation.number());
            match kept.is_empty() || needed.len() < before || is_listed {
                true => kept.push(Arc::clone(generation)),
                false => gone.push(generation.number()),
            }
        }
        kept.reverse();
        (Self { generations: kept }, gone)
    }
}
