//! One state of the vault as served: an [`Index`] of nodes, and the memory objects with their bytes.

mod build;
mod changes;
mod fill;
pub mod index;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

pub use self::build::{BuildError, Built, Object, PASSED_THROUGH, Wanted, build};
pub use self::changes::{Changes, Stale, stale};
pub use self::index::{Content, Facts, Index, Kind, Node, TreeError};
use crate::sys::mapping::Mapping;
use crate::sys::memory::MemoryError;

/// What is served: all of it verified and decrypted, none of it ever changed.
#[derive(Debug)]
pub struct Generation {
    number: u64,
    index: Index,
    by_number: HashMap<u64, usize>,
    by_place: Vec<usize>,
    objects: Vec<Arc<Mapping>>,
    backings: Vec<Option<u32>>,
}

impl Generation {
    /// A generation of the `objects` that `index` speaks of. Those that have a number in `backings` are read by the
    /// kernel itself.
    ///
    /// # Errors
    /// They are not as long as the index says, or the index is incomplete.
    pub fn open(
        number: u64,
        index: Index,
        objects: Vec<Arc<Mapping>>,
        backings: Vec<Option<u32>>,
    ) -> Result<Self, MemoryError> {
        let fits = |content: &Content| {
            let object = objects.get(content.object);
            object.is_some_and(|object| object.bytes().get(content.span.clone()).is_some())
        };
        if !index.has_all_rules() || !index.nodes().iter().filter_map(Node::content).all(fits) {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(MemoryError::Map { size: 0, source });
        }
        let (by_number, by_place) = (index.by_number(), index.by_place());
        Ok(Self { number, index, by_number, by_place, objects, backings })
    }

    /// Which generation of its mount it is, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Files and directories.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The node with this number, if there is one.
    #[must_use]
    pub fn node(&self, number: u64) -> Option<&Node> {
        self.by_number.get(&number).map(|at| &self.index.nodes()[*at])
    }

    /// What is in a directory from a place on, in the order in which it is listed.
    pub fn listed_from(&self, directory: &Node, place: u64) -> impl Iterator<Item = &Node> {
        let nodes = self.index.nodes();
        let children = match &directory.kind {
            Kind::Directory { children, .. } => children.clone(),
            Kind::File(_) => 0..0,
        };
        let children = &self.by_place[children];
        let first = children.partition_point(|at| nodes[*at].place < place);
        children[first..].iter().map(|at| &nodes[*at])
    }

    /// Bytes of a file.
    #[must_use]
    pub fn bytes(&self, content: &Content) -> &[u8] {
        &self.objects[content.object].bytes()[content.span.clone()]
    }

    /// The number under which the kernel reads a file itself, if it does.
    #[must_use]
    pub fn backing(&self, content: &Content) -> Option<u32> {
        self.backings.get(content.object).copied().flatten()
    }
}
