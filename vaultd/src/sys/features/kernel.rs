//! What the kernel can do.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsOpenFlags, fsconfig_create, fsconfig_set_string, fsopen};
use rustix::process::{Resource, Uid};
use rustix::thread::CapabilitySet;

use super::Finding;
use crate::sys::confine::{Role, restrict_calls};
use crate::sys::memory::Locking;
use crate::sys::store::{Kind, Store};

/// Makes a store and an object, which needs root.
pub(super) fn no_swap() -> Finding {
    if !rustix::process::geteuid().is_root() {
        return Finding::unknown("only root can tell");
    }
    match Store::open(Locking::AllowSwappable, Uid::ROOT) {
        Ok(store) if store.kind() == Kind::NoSwap => match store.create() {
            Ok(_) => Finding::new(true, "tmpfs with noswap"),
            Err(error) => Finding::new(false, error.to_string()),
        },
        Ok(_) => Finding::new(false, "no tmpfs with noswap before Linux 6.4 or in a user namespace"),
        Err(error) => Finding::new(false, error.to_string()),
    }
}

pub(super) fn memory_lock() -> Finding {
    let limit = rustix::process::getrlimit(Resource::Memlock);
    let held = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    match limit.current {
        None => Finding::new(true, "no limit"),
        Some(_) if held.contains(CapabilitySet::SYS_RESOURCE) => {
            Finding::new(true, "the limit can be lifted")
        }
        Some(_) if held.contains(CapabilitySet::IPC_LOCK) => {
            Finding::new(true, "no limit while CAP_IPC_LOCK is kept")
        }
        Some(bytes) => Finding::new(false, format!("limited to {bytes} bytes")),
    }
}

/// The version of Landlock's rules (landlock_create_ruleset(2)).
pub(super) fn landlock() -> Finding {
    const VERSION: u32 = 1 << 0;
    // SAFETY: with this flag the call takes no rules, and only tells the version.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    match version {
        1.. => Finding::new(true, format!("version {version}")),
        _ => Finding::new(false, io::Error::last_os_error().to_string()),
    }
}

/// Restricts a thread, which ends then.
pub(super) fn seccomp() -> Finding {
    let restricted = thread::spawn(|| restrict_calls(Role::Server).map_err(|error| error.to_string()));
    match restricted.join() {
        Ok(Ok(())) => Finding::new(true, "filters"),
        Ok(Err(error)) => Finding::new(false, error),
        Err(_) => Finding::unknown("the attempt failed"),
    }
}

/// What the kernel offers a FUSE server.
pub(super) struct Fuse(Result<u64, String>);

impl Fuse {
    pub(super) fn resend(&self) -> Finding {
        const HAS_RESEND: u64 = 1 << 39;
        self.offers(HAS_RESEND)
    }

    pub(super) fn passthrough(&self) -> Finding {
        const PASSTHROUGH: u64 = 1 << 37;
        self.offers(PASSTHROUGH)
    }

    fn offers(&self, flag: u64) -> Finding {
        match &self.0 {
            Ok(flags) if flags & flag != 0 => Finding::new(true, "offered by FUSE"),
            Ok(_) => Finding::new(false, "not offered by FUSE before Linux 6.9"),
            Err(error) => Finding::unknown(error),
        }
    }
}

/// Asks the kernel, by a file system that is attached nowhere and goes at once.
pub(super) fn fuse() -> Fuse {
    Fuse(init_flags().map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => "only root can tell".to_owned(),
        _ => format!("cannot ask FUSE: {error}"),
    }))
}

/// The flags of the kernel's first request, FUSE_INIT: an `fuse_in_header` of 40 bytes, then
/// `major`, `minor`, `max_readahead`, `flags`, `flags2`, of 32 bits each (include/uapi/linux/fuse.h).
fn init_flags() -> io::Result<u64> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut device = File::from(rustix::fs::open("/dev/fuse", flags, Mode::empty())?);
    let _file_system = unattached(&device)?;
    // FUSE_MIN_READ_BUFFER.
    let mut request = vec![0; 8192];
    let length = device.read(&mut request)?;
    let word = |at: usize| request[..length].get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (low, high) = (word(52), word(56));
    let low = low.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(u64::from(high.unwrap_or(0)) << 32 | u64::from(low))
}

fn unattached(device: &File) -> io::Result<OwnedFd> {
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let descriptor = device.as_raw_fd().to_string();
    let options = [("fd", descriptor.as_str()), ("rootmode", "40000"), ("user_id", "0"), ("group_id", "0")];
    for (key, value) in options {
        fsconfig_set_string(&context, key, value)?;
    }
    fsconfig_create(&context)?;
    Ok(context)
}
