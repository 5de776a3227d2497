//! What `stat` and `statfs` show, in the numbers that tmpfs would give.

use fuser::{FileAttr, FileType, INodeNo};

use crate::generation::{Generation, Index, Kind, Node};

/// Bytes that a file's memory is counted in.
const PAGE: u32 = 4096;

/// Bytes per unit of `st_blocks` (inode(7)).
const SECTOR: u32 = 512;

/// What tmpfs adds to the size of a directory for each name in it (`BOGO_DIRENT_SIZE`).
const NAME: u64 = 20;

fn kind(node: &Node) -> FileType {
    match node.kind {
        Kind::File(_) => FileType::RegularFile,
        Kind::Directory { .. } => FileType::Directory,
    }
}

pub(super) fn attributes(index: &Index, node: &Node) -> FileAttr {
    let (size, pages, nlink) = match &node.kind {
        Kind::File(content) => (content.span.len() as u64, pages(node), 1),
        Kind::Directory { directories, .. } => {
            let names = index.children(node).len() as u64 + 2;
            (names * NAME, 0, directories + 2)
        }
    };
    FileAttr {
        ino: INodeNo(node.number),
        size,
        blocks: pages * u64::from(PAGE / SECTOR),
        atime: node.facts.modified,
        mtime: node.facts.modified,
        ctime: node.facts.modified,
        crtime: node.facts.modified,
        kind: kind(node),
        perm: node.facts.mode,
        nlink,
        uid: node.facts.owner,
        gid: node.facts.group,
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
    let nodes = generation.index().nodes();
    Totals { blocks: nodes.iter().map(pages).sum(), files: nodes.len() as u64, block_size: PAGE }
}

fn pages(node: &Node) -> u64 {
    match &node.kind {
        Kind::File(content) => (content.span.len() as u64).div_ceil(PAGE.into()),
        Kind::Directory { .. } => 0,
    }
}
