//! One method per FUSE request. What is missing here fuser refuses with ENOSYS, which makes the
//! kernel fall back to its own way of doing it, where that is what tmpfs does too (fsync, lseek,
//! poll, flush).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation as Reuse, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::attributes::{Totals, attributes, kind, totals};
use crate::generation::{Generation, Kind, Node};

/// How long the kernel may keep names and attributes: a generation never changes.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Inode numbers are never used twice within a mount, so there is nothing to tell apart.
const FIRST_USE: Reuse = Reuse(0);

/// No request needs a handle: node and offset say it all, also to another process.
const NO_HANDLE: FileHandle = FileHandle(0);

/// Longest name in bytes; the FUSE driver itself would pass on longer ones.
const NAME_MAX: u32 = 255;

/// `.` and `..`, which precede the children of a directory.
const DOTS: usize = 2;

pub(super) struct Server {
    generation: Arc<Generation>,
    totals: Totals,
}

impl Server {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        let totals = totals(&generation);
        Self { generation, totals }
    }

    fn node(&self, inode: INodeNo) -> Result<&Node, Errno> {
        self.generation.tree().node(inode.0).ok_or(Errno::ESTALE)
    }

    fn directory(&self, inode: INodeNo) -> Result<&Node, Errno> {
        let node = self.node(inode)?;
        match node.kind {
            Kind::Directory { .. } => Ok(node),
            Kind::File { .. } => Err(Errno::ENOTDIR),
        }
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> Result<&Node, Errno> {
        if name.len() > NAME_MAX as usize {
            return Err(Errno::ENAMETOOLONG);
        }
        let parent = self.directory(parent)?;
        let child = self.generation.tree().child(parent, name.as_bytes());
        child.ok_or(Errno::ENOENT)
    }

    /// The part of a file that a read may have: shorter at its end, empty beyond.
    fn part(&self, inode: INodeNo, offset: u64, size: u32) -> Result<&[u8], Errno> {
        let node = self.node(inode)?;
        let bytes = self.generation.contents(node).ok_or(Errno::EISDIR)?;
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        let length = (size as usize).min(bytes.len() - start);
        Ok(&bytes[start..start + length])
    }

    /// Names in a directory from `offset` on, each with the offset of the one after it.
    fn listing(
        &self,
        inode: INodeNo,
        offset: u64,
    ) -> Result<impl Iterator<Item = (u64, &str, &Node)>, Errno> {
        let tree = self.generation.tree();
        let directory = self.directory(inode)?;
        let parent = tree.node(directory.parent.number()).ok_or(Errno::ESTALE)?;
        let dots = [(".", directory), ("..", parent)].into_iter();
        let children = tree.children(directory);
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        // Skipping within the slice keeps a long listing linear.
        let after = &children[skip.saturating_sub(DOTS).min(children.len())..];
        let names = after.iter().map(|child| (&*child.name, child));
        let names = dots.skip(skip).chain(names);
        Ok((offset + 1..).zip(names).map(|(next, (name, node))| (next, name, node)))
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_READDIRPLUS_AUTO;
        // Each only saves time, so a kernel without it is fine.
        let _ = config.add_capabilities(wanted & config.capabilities());
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.child(parent, name) {
            Ok(node) => reply.entry(&FOREVER, &attributes(self.generation.tree(), node), FIRST_USE),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(inode) {
            Ok(node) => reply.attr(&FOREVER, &attributes(self.generation.tree(), node)),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match (flags.acc_mode(), self.node(inode)) {
            (_, Err(errno)) => reply.error(errno),
            (OpenAccMode::O_RDONLY, Ok(_)) => reply.opened(NO_HANDLE, FopenFlags::FOPEN_KEEP_CACHE),
            (_, Ok(_)) => reply.error(Errno::EROFS),
        }
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.part(inode, offset, size) {
            Ok(bytes) => reply.data(bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let flags = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR;
        match self.directory(inode) {
            Ok(_) => reply.opened(NO_HANDLE, flags),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        match self.listing(inode, offset) {
            Ok(mut names) => {
                names.any(|(next, name, node)| {
                    reply.add(INodeNo(node.inode.number()), next, kind(node), name)
                });
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        match self.listing(inode, offset) {
            Ok(mut names) => {
                names.any(|(next, name, node)| {
                    let attributes = attributes(self.generation.tree(), node);
                    reply.add(attributes.ino, next, name, &FOREVER, &attributes, FIRST_USE)
                });
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let Totals { blocks, files, block_size } = self.totals;
        reply.statfs(blocks, 0, 0, files, 0, block_size, NAME_MAX, block_size);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENODATA);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, size: u32, reply: ReplyXattr) {
        match size {
            0 => reply.size(0),
            _ => reply.data(&[]),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    // What follows would change something. A read-only mount keeps these from us; should one
    // arrive all the same, the answer is the one that a read-only file system gives.

    fn setattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn mkdir(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn rmdir(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: INodeNo,
        _: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn create(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        reply.error(Errno::EROFS);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn fallocate(&self, _: &Request, _: INodeNo, _: FileHandle, _: u64, _: u64, _: i32, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn setxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }
}
