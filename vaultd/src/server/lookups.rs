//! What the kernel knows of nodes, where it opens files alone and so tells nobody what is open: a node that it has
//! forgotten is open to nobody (`FUSE_FORGET`).
//!
//! How often it looked a node up lies beside the open files, in memory that outlives the server. A look-up that is
//! sent again because a server died before its answer is counted once. One that a server was told to forget and took
//! along when it was killed stays counted, so a generation may stay until the mount ends: longer than it is needed,
//! never shorter.

use std::io;

use super::handles::Handles;

/// Set in what is not a handle but a node; how often it was looked up lies in the place of the node.
pub(super) const NODE: u64 = 1 << 62;

/// Set in what is not a handle either, but the place of a look-up that was counted; its request lies in the place of
/// the node.
pub(super) const COUNTED: u64 = 1 << 61;

/// How many of these are remembered: more than a server has in hand.
const REMEMBERED: u64 = 64;

impl Handles {
    /// Counts look-ups of nodes that a request is about to be answered with, if they were not counted before.
    ///
    /// # Errors
    /// There is no memory; it must not be answered then.
    pub fn look_up(&self, request: u64, is_sent_again: bool, nodes: &[u64]) -> io::Result<()> {
        let mut slots = self.slots();
        if is_sent_again && slots.values(COUNTED).any(|(_, counted)| counted == request) {
            return Ok(());
        }
        for node in nodes {
            let count = slots.value(NODE | node).unwrap_or(0);
            self.put(&mut slots, NODE | node, count + 1)?;
        }
        // Last: whoever is killed in between is followed by one that counts too much, not too little.
        let place = slots.counted % REMEMBERED;
        slots.counted += 1;
        self.put(&mut slots, COUNTED | place, request)
    }

    /// The kernel has forgotten so many look-ups of a node. Tells whether it does not know it any more.
    pub fn forget(&self, node: u64, times: u64) -> bool {
        let mut slots = self.slots();
        let Some(count) = slots.value(NODE | node) else { return false };
        let left = count.saturating_sub(times);
        if left == 0 {
            self.free(&mut slots, NODE | node);
        } else {
            // A count that could not be written would keep a generation for longer than it is needed, no more.
            let _ = self.put(&mut slots, NODE | node, left);
        }
        left == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::File;

    use super::super::handles::Handles;

    fn over(object: &File) -> Handles {
        Handles::take_over(object.try_clone().expect("a duplicate")).expect("taken over")
    }

    #[test]
    fn a_node_is_needed_until_the_kernel_has_forgotten_each_look_up() {
        let object = tempfile::tempfile().expect("a file");
        let handles = over(&object);
        handles.look_up(2, false, &[7, 8]).expect("counted");
        handles.look_up(4, false, &[7]).expect("counted");
        assert_eq!(handles.nodes(), HashSet::from([7, 8]));
        assert!(!handles.forget(7, 1) && handles.forget(8, 1) && !handles.forget(8, 1));
        assert!(over(&object).forget(7, 1));
        assert_eq!(over(&object).nodes(), HashSet::new());
        assert!(over(&object).listed().is_empty());
    }

    #[test]
    fn what_is_sent_again_counts_once() {
        let object = tempfile::tempfile().expect("a file");
        over(&object).look_up(2, false, &[7]).expect("counted");
        let next = over(&object);
        next.look_up(2, true, &[7]).expect("counted before");
        next.look_up(4, true, &[7]).expect("counted");
        assert!(!next.forget(7, 1) && next.forget(7, 1));
    }
}
