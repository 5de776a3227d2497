//! Listing a directory, in as many parts as the kernel asks for.

use fuser::{Errno, FileAttr, FileHandle, INodeNo, Request};

use super::attributes::attributes;
use super::handles::ENDED;
use super::shared::Shared;
use crate::generation::{Generation, Kind, Node};

/// The names that every directory begins with, at the places 0 and 1. No node has such a number, nor so low a place
/// in a directory: the lowest number is the root's, which is in none.
const DOTS: u64 = 2;

/// A name in a directory.
pub(super) struct Listed<'a> {
    /// Where to go on after it.
    pub next: u64,
    /// The name.
    pub name: &'a str,
    /// What it leads to.
    pub attributes: FileAttr,
    /// Whether it still does so. The kernel may list what is superseded, and must not remember it.
    pub is_current: bool,
}

/// Gives the names from the place `offset` on to `add`, until that takes no more of them.
pub(super) fn list(
    shared: &Shared,
    request: &Request,
    (inode, handle, offset): (INodeNo, FileHandle, u64),
    mut add: impl FnMut(Listed<'_>) -> bool,
) -> Result<(), Errno> {
    let (view, shown) = shared.listed(request, handle.0, offset).ok_or(Errno::EIO)?;
    if shown == ENDED {
        return Ok(());
    }
    let generation = view.generation(shown).unwrap_or(view.current());
    let mut names = listing(generation, inode, offset)?.peekable();
    if names.peek().is_none() {
        shared.end_listing(handle.0);
    }
    names.any(|(next, name, node)| {
        let is_current = !view.is_superseded(node.number);
        add(Listed { next, name, attributes: attributes(generation.index(), node), is_current })
    });
    Ok(())
}

/// Names in a directory of a generation from the place `offset` on, each with where to go on after it. A name that
/// stays over a switch keeps its place, so whoever must go on in another generation misses none of these, and sees
/// none twice.
fn listing(
    generation: &Generation,
    inode: INodeNo,
    offset: u64,
) -> Result<impl Iterator<Item = (u64, &str, &Node)>, Errno> {
    let directory = generation.node(inode.0).ok_or(Errno::ESTALE)?;
    if let Kind::File(_) = directory.kind {
        return Err(Errno::ENOTDIR);
    }
    let dots = [(".", directory), ("..", generation.index().parent(directory))];
    let dots = (0..DOTS).zip(dots).map(|(place, (name, node))| (place + 1, name, node));
    let children = generation.listed_from(directory, offset.max(DOTS));
    let children = children.map(|child| (child.place + 1, &*child.name, child));
    Ok(dots.filter(move |(next, ..)| *next > offset).chain(children))
}
