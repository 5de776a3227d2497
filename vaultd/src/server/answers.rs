//! What a request is answered with, from what is shown at that moment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fuser::{Errno, INodeNo};

use super::view::View;
use crate::generation::{Kind, Node};

/// Longest name in bytes; the FUSE driver itself would pass on longer ones.
pub(super) const NAME_MAX: u32 = 255;

/// The names that every directory begins with, at the places 0 and 1. No node has such a number, nor so low a place
/// in a directory: the lowest number is the root's, which is in none.
const DOTS: u64 = 2;

/// A directory, as it is now.
pub(super) fn directory(view: &View, inode: INodeNo) -> Result<&Node, Errno> {
    let node = view.current_node(inode.0).ok_or(Errno::ESTALE)?;
    match node.kind {
        Kind::Directory { .. } => Ok(node),
        Kind::File(_) => Err(Errno::ENOTDIR),
    }
}

/// What a name leads to now.
pub(super) fn child<'a>(view: &'a View, parent: INodeNo, name: &OsStr) -> Result<&'a Node, Errno> {
    if name.len() > NAME_MAX as usize {
        return Err(Errno::ENAMETOOLONG);
    }
    let child = view.current().index().child(directory(view, parent)?, name.as_bytes());
    child.ok_or(Errno::ENOENT)
}

/// The part of a file that a read may have: shorter at its end, empty beyond.
pub(super) fn part(view: &View, inode: INodeNo, offset: u64, size: u32) -> Result<&[u8], Errno> {
    let (generation, node) = view.node(inode.0).ok_or(Errno::ESTALE)?;
    let bytes = generation.bytes(node.content().ok_or(Errno::EISDIR)?);
    let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
    let length = (size as usize).min(bytes.len() - start);
    Ok(&bytes[start..start + length])
}

/// Names in a directory from the place `offset` on, each with where to go on after it. A name that stays over a
/// switch keeps its place, so whoever goes on in another generation misses none of these, and sees none twice.
pub(super) fn listing(
    view: &View,
    inode: INodeNo,
    offset: u64,
) -> Result<impl Iterator<Item = (u64, &str, &Node)>, Errno> {
    let generation = view.current();
    let directory = directory(view, inode)?;
    let dots = [(".", directory), ("..", generation.index().parent(directory))];
    let dots = (0..DOTS).zip(dots).map(|(place, (name, node))| (place + 1, name, node));
    let children = generation.listed_from(directory, offset.max(DOTS));
    let children = children.map(|child| (child.place + 1, &*child.name, child));
    Ok(dots.filter(move |(next, ..)| *next > offset).chain(children))
}
