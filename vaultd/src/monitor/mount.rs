//! Making and ending a FUSE mount with mount(2), without fusermount (fuse(4), mount.fuse(8)).

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create, fsmount, fsopen,
};

use super::control;
use super::mount_point::MountPoint;
use super::mountinfo::{self, FILE_SYSTEM, Mounted};

const DEVICE: &str = "/dev/fuse";

/// Why a mount could not be made or ended.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MountError {
    /// Mounting is root's.
    #[error("only root can mount and unmount")]
    #[diagnostic(help("run it with sudo, or as a system service"))]
    NotRoot,
    /// The kernel's side of FUSE is not there.
    #[error("cannot open {DEVICE}")]
    #[diagnostic(help("modprobe fuse; in a container, pass the device on (--device /dev/fuse)"))]
    Device(#[source] io::Error),
    /// The kernel refused the mount.
    #[error("cannot mount on {}", .path.display())]
    #[diagnostic(help(
        "mounting takes CAP_SYS_ADMIN in this mount namespace: run it as a system service, or give the container that right"
    ))]
    Mount {
        /// The mount point.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused to unmount.
    #[error("cannot unmount {}", .path.display())]
    #[diagnostic(help("find out who uses it: fuser -vm {}", .path.display()))]
    Unmount {
        /// The mount point.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Refuses to go on for anybody but root.
///
/// # Errors
/// [`MountError::NotRoot`].
pub fn require_root() -> Result<(), MountError> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err(MountError::NotRoot),
    }
}

/// Opens the kernel's side of a new FUSE connection.
///
/// # Errors
/// [`MountError::Device`]: there is none, or it may not be opened.
pub fn open_device() -> Result<OwnedFd, MountError> {
    rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| MountError::Device(errno.into()))
}

/// A mount that we made; ended when dropped.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
    mounted: Option<Mounted>,
    control: Option<Control>,
    /// Also if it is left to the next monitor.
    ended: Mutex<bool>,
}

impl Mount {
    /// Mounts, for whoever answers on `device`. The kernel keeps callers waiting until then.
    ///
    /// # Errors
    /// [`MountError::Mount`]: the kernel refused.
    pub fn new(mount_point: &MountPoint, device: &impl AsFd) -> Result<Self, MountError> {
        let path = mount_point.path().to_owned();
        let failed = |source| MountError::Mount { path: mount_point.path().to_owned(), source };
        let flags = MountFlags::RDONLY
            | MountFlags::NOSUID
            | MountFlags::NODEV
            | MountFlags::NOEXEC
            | MountFlags::NOSYMFOLLOW;
        let options = options(device).map_err(|error| failed(error.into()))?;
        rustix::mount::mount("vaultd", &path, FILE_SYSTEM, flags, options.as_c_str())
            .map_err(|errno| failed(errno.into()))?;
        let mut mount = Self { path, mounted: None, control: None, ended: Mutex::default() };
        mount.mounted = mountinfo::at(&mount.path).map_err(failed)?;
        mount.control = mount.mounted.as_ref().and_then(|mounted| Control::of(mounted.minor));
        Ok(mount)
    }

    /// Goes on with a mount that an earlier monitor made.
    #[must_use]
    pub fn resume(mounted: &Mounted) -> Self {
        let (path, control) = (mounted.path.clone(), Control::of(mounted.minor));
        Self { path, mounted: Some(mounted.clone()), control, ended: Mutex::default() }
    }

    /// How the kernel tells it from others.
    #[must_use]
    pub fn mounted(&self) -> Option<&Mounted> {
        self.mounted.as_ref()
    }

    /// Leaves it to the next monitor: it does not end with this one. Tells whether it was there still.
    pub fn leave(&self) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut *ended, true)
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// The server went away.
    pub fn wait_until_readable(&self) -> io::Result<()> {
        rustix::fs::statfs(&self.path)?;
        Ok(())
    }

    /// Unmounts. Files that are still open are cut off, so that the server ends and wipes what
    /// they show; also those left open when somebody else has unmounted.
    pub fn end(&self) {
        // Whoever comes second waits until it is done.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *ended, true) {
            return;
        }
        if self.is_there() && unmount(&self.path, UnmountFlags::empty()).is_err() {
            // FORCE aborts the connection, DETACH takes the name away.
            let _ = unmount(&self.path, UnmountFlags::FORCE | UnmountFlags::DETACH);
        }
        if let Some(control) = &self.control {
            // Fails when the connection is gone, which is what we want.
            let _ = (&control.abort).write(b"1");
        }
    }

    /// Whether what is seen at the mount point is this mount, not one made since. The kernel gives the number of
    /// a mount that is gone to the next one, so this one must not be gone.
    #[must_use]
    pub fn is_there(&self) -> bool {
        if self.control.as_ref().is_some_and(|control| !control.is_connected()) {
            return false;
        }
        let seen = mountinfo::at(&self.path).ok().flatten();
        seen.map(|mount| mount.id) == self.mounted.as_ref().map(|mounted| mounted.id)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes a mount away. Open files stay readable until they are closed, as on any file system; unless its monitor died,
/// so that whoever waits for an answer would wait for ever.
///
/// # Errors
/// [`MountError::Unmount`]: the kernel refused.
pub fn detach(mount: &Mounted) -> Result<(), MountError> {
    let flags = match control::is_abandoned(&mount.path) {
        true => UnmountFlags::FORCE | UnmountFlags::DETACH,
        false => UnmountFlags::empty(),
    };
    match unmount(&mount.path, flags) {
        Err(Errno::BUSY) => unmount(&mount.path, UnmountFlags::DETACH),
        outcome => outcome,
    }
    .map_err(|errno| MountError::Unmount { path: mount.path.clone(), source: errno.into() })
}

/// The kernel's files for a connection, if the kernel lets us have them. Opened while the connection lives: its
/// number may be another's afterwards, the open files never are.
///
/// They are files of fusectl, of which we make a mount that is attached nowhere: the usual one at
/// `/sys/fs/fuse/connections` may be missing (Documentation/filesystems/fuse).
#[derive(Debug)]
struct Control {
    abort: File,
    waiting: File,
}

impl Control {
    fn of(connection: u32) -> Option<Self> {
        let open = || {
            let control = fsopen("fusectl", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_create(&control)?;
            let root = fsmount(&control, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
            let open = |name: &str, flags: OFlags| {
                let path = format!("{connection}/{name}");
                rustix::fs::openat(&root, path, flags | OFlags::CLOEXEC, Mode::empty()).map(File::from)
            };
            Ok::<_, Errno>(Self {
                abort: open("abort", OFlags::WRONLY)?,
                waiting: open("waiting", OFlags::RDONLY)?,
            })
        };
        open().ok()
    }

    /// Whether the file system is there: nothing is to be read of a connection that is gone. Tells it once, since
    /// the kernel's file can be read once.
    fn is_connected(&self) -> bool {
        (&self.waiting).read(&mut [0; 32]).is_ok_and(|length| length > 0)
    }
}

fn unmount(path: &Path, flags: UnmountFlags) -> Result<(), Errno> {
    rustix::mount::unmount(path, flags | UnmountFlags::NOFOLLOW)
}

/// Open to all users, each call judged by the kernel from owner, group and mode.
fn options(device: &impl AsFd) -> Result<CString, std::ffi::NulError> {
    let device = device.as_fd().as_raw_fd();
    CString::new(format!("fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"))
}
