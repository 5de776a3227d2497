//! What `stat` and `statfs` show, in the numbers that tmpfs would give.

use fuser::{FileAttr, FileType, INodeNo};

use crate::generation::{Generation, Kind, Node, Tree};

/// Bytes that a file's memory is counted in.
const PAGE: u32 = 4096;

/// Bytes per unit of `st_blocks` (inode(7)).
const SECTOR: u32 = 512;

/// What tmpfs adds to the size of a directory for each name in it (`BOGO_DIRENT_SIZE`).
const NAME: u64 = 20;

pub(super) fn kind(node: &Node) -> FileType {
    match node.kind {
        Kind::File { .. } => FileType::RegularFile,
        Kind::Directory { .. } => FileType::Directory,
    }
}

pub(super) fn attributes(tree: &Tree, node: &Node) -> FileAttr {
    let (size, pages, nlink) = match &node.kind {
        Kind::File { span } => (span.len() as u64, pages(node), 1),
        Kind::Directory { directories, .. } => {
            let names = tree.children(node).len() as u64 + 2;
            (names * NAME, 0, directories + 2)
        }
    };
    FileAttr {
        ino: INodeNo(node.inode.number()),
        size,
        blocks: pages * u64::from(PAGE / SECTOR),
        atime: node.modified,
        mtime: node.modified,
        ctime: node.modified,
        crtime: node.modified,
        kind: kind(node),
        perm: node.mode,
        nlink,
        uid: node.owner.as_raw(),
        gid: node.group.as_raw(),
        rdev: 0,
        blksize: PAGE,
        flags: 0,
    }
}

/// Totals of a generation for statfs(2).
#[derive(Clone, Copy)]
pub(super) struct Totals {
    /// Pages in use.
    pub blocks: u64,
    /// Files and directories.
    pub files: u64,
    /// Bytes of a page.
    pub block_size: u32,
}

pub(super) fn totals(generation: &Generation) -> Totals {
    let nodes = generation.tree().nodes();
    Totals { blocks: nodes.iter().map(pages).sum(), files: nodes.len() as u64, block_size: PAGE }
}

fn pages(node: &Node) -> u64 {
    match &node.kind {
        Kind::File { span } => (span.len() as u64).div_ceil(PAGE.into()),
        Kind::Directory { .. } => 0,
    }
}
