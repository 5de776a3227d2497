//! What a request is answered with, from what is shown at that moment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fuser::{Errno, INodeNo};

use super::view::View;
use crate::generation::{Kind, Node};

/// Longest name in bytes; the FUSE driver itself would pass on longer ones.
pub(super) const NAME_MAX: u32 = 255;

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
