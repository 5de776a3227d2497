//! One method per FUSE request. What is missing here fuser refuses with ENOSYS, which makes the
//! kernel fall back to its own way of doing it, where that is what tmpfs does too (fsync, lseek,
//! poll, flush).

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation as Reuse, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};

use super::answers::{NAME_MAX, child, directory, part};
use super::attributes::{Totals, attributes, totals};
use super::handles::unique;
use super::listing::{Listed, list};
use super::opening;
use super::shared::{Agreement, Shared};

/// How long the kernel may keep names and attributes: until it is told to forget them.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Inode numbers are never used twice within a mount, so there is nothing to tell apart.
const FIRST_USE: Reuse = Reuse(0);

/// Answers from what is [`Shared`] with the thread that takes orders.
pub(super) struct Requests {
    shared: Arc<Shared>,
}

impl Requests {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Filesystem for Requests {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let offered = config.capabilities();
        let wanted = InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_READDIRPLUS_AUTO
            | InitFlags::FUSE_HAS_RESEND
            | InitFlags::FUSE_PASSTHROUGH;
        // A kernel without one of them is fine: what depends on it, the monitor does in another way.
        let _ = config.add_capabilities(wanted & offered);
        if offered.contains(InitFlags::FUSE_PASSTHROUGH) {
            // The objects lie on no other stacked file system.
            let _ = config.set_max_stack_depth(1);
        }
        self.shared.agreed(Agreement {
            passthrough: offered.contains(InitFlags::FUSE_PASSTHROUGH),
            resend: offered.contains(InitFlags::FUSE_HAS_RESEND),
        });
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some(view) = self.shared.view_for(request) else { return reply.error(Errno::EIO) };
        match child(&view, parent, name) {
            Ok(node) => reply.entry(&FOREVER, &attributes(view.current().index(), node), FIRST_USE),
            Err(errno) => reply.error(errno),
        }
    }

    fn forget(&self, _: &Request, inode: INodeNo, _: u64) {
        self.shared.forget(inode.0);
    }

    fn getattr(&self, request: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let Some(view) = self.shared.view_for(request) else { return reply.error(Errno::EIO) };
        match view.node(inode.0) {
            Some((generation, node)) => reply.attr(&FOREVER, &attributes(generation.index(), node)),
            None => reply.error(Errno::ESTALE),
        }
    }

    fn open(&self, request: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        opening::open(&self.shared, request, inode.0, reply);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.shared.release(handle.0);
        reply.ok();
    }

    fn read(
        &self,
        request: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(view) = self.shared.view_for(request) else { return reply.error(Errno::EIO) };
        match part(&view, inode, offset, size) {
            Ok(bytes) => reply.data(bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, request: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let Some(view) = self.shared.view_for(request) else { return reply.error(Errno::EIO) };
        // Never to be kept by the kernel: who goes on after a switch would find there what others began.
        match directory(&view, inode) {
            Ok(_) => reply.opened(FileHandle(unique(request.unique())), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = list(&self.shared, request, (inode, handle, offset), |listed| {
            reply.add(listed.attributes.ino, listed.next, listed.attributes.kind, listed.name)
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        request: &Request,
        inode: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = list(&self.shared, request, (inode, handle, offset), |listed| {
            let keep = if listed.is_current { FOREVER } else { Duration::ZERO };
            let Listed { next, name, attributes, .. } = listed;
            reply.add(attributes.ino, next, name, &keep, &attributes, FIRST_USE)
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.shared.release(handle.0);
        reply.ok();
    }

    fn statfs(&self, request: &Request, _: INodeNo, reply: ReplyStatfs) {
        let Some(view) = self.shared.view_for(request) else { return reply.error(Errno::EIO) };
        let Totals { blocks, files, block_size } = totals(view.current());
        reply.statfs(blocks, 0, 0, files, 0, block_size, NAME_MAX, block_size);
        drop(view);
        // This is what the monitor asks to have each thread come by.
        self.shared.rest_if_wanted();
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
