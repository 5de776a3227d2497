//! What tells, without reading a file, that nobody changed it since it was read: what Git's index goes by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

/// The coarsest clock of a file system that is trusted here, twice: what was changed as recently as that
/// may be changed again and show the same times.
const SETTLING: Duration = Duration::from_secs(2);

/// File systems of this machine's own whose kernel notes each change of a file (statfs(2)): ext2 to ext4, XFS,
/// Btrfs, F2FS, tmpfs, SquashFS, EROFS. Others may be changed from elsewhere, or count time in another way.
const TRUSTED: [u32; 7] =
    [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994, 0x7371_7368, 0xE0F5_E1E2];

/// One state of a file: which it is, its size, and when its bytes and whatever else of it were changed last. The
/// last of these times nobody can set (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// What the kernel says of a file.
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = |part| i64::try_from(part).unwrap_or_default();
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
        }
    }

    /// Whether a change after the moment `read` shows in the stamp. One in the same tick of the clock would not;
    /// nor is a file believed that was changed in the future, since the clock was set.
    #[must_use]
    pub fn is_settled(&self, read: SystemTime) -> bool {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or_default();
        let read = read.duration_since(UNIX_EPOCH).map_or(0, seconds);
        self.changed.0.saturating_add(seconds(SETTLING)) < read
    }

    /// Whether it is of the file system with this number.
    pub(crate) fn is_on(&self, device: u64) -> bool {
        self.device == device
    }
}

/// Whether stamps of a file system of this type mean something.
pub(crate) fn is_trusted(file_system: i64) -> bool {
    u32::try_from(file_system & 0xFFFF_FFFF).is_ok_and(|magic| TRUSTED.contains(&magic))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File, FileTimes},
        io::Write,
        os::unix::fs::symlink,
        time::{Duration, SystemTime},
    };

    use super::Stamp;
    use crate::{VaultFiles, VaultFolder};

    fn stamp(folder: &VaultFolder) -> Stamp {
        folder.stamp("a/file").unwrap()
    }

    #[test]
    fn every_change_shows_also_one_that_hides_its_time_and_size() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/file");
        fs::create_dir(temp.path().join("a")).unwrap();
        fs::write(&path, "bytes").unwrap();
        let folder = VaultFolder::open(temp.path()).unwrap();
        let first = stamp(&folder);
        assert_eq!(stamp(&folder), first);
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        // The clock of a file system ticks a hundred times a second and more.
        let tick = || {
            while folder.stamp("tick").is_none_or(|now| now.changed <= stamp(&folder).changed) {
                fs::write(temp.path().join("tick"), "").unwrap();
            }
        };
        tick();
        let file = File::options().write(true).open(&path).unwrap();
        (&file).write_all(b"BYTES").unwrap();
        file.set_times(FileTimes::new().set_modified(times)).unwrap();
        let second = stamp(&folder);
        assert_eq!((second.modified, second.size, second.inode), (first.modified, first.size, first.inode));
        assert_ne!(second, first);
        tick();
        // Another file in its place.
        fs::write(temp.path().join("other"), "BYTES").unwrap();
        fs::rename(temp.path().join("other"), &path).unwrap();
        assert_ne!(stamp(&folder), second);
    }

    #[test]
    fn what_is_no_plain_file_of_a_known_file_system_has_none() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "").unwrap();
        symlink("file", temp.path().join("link")).unwrap();
        let folder = VaultFolder::open(temp.path()).unwrap();
        assert!(folder.stamp("file").is_some());
        for other in ["link", "none", ".", "../file", "file/"] {
            assert!(folder.stamp(other).is_none(), "{other}");
        }
        let proc = VaultFolder::open("/proc/self".as_ref()).unwrap();
        assert!(proc.stamp("status").is_none());
    }

    #[test]
    fn what_was_changed_just_now_is_not_settled() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "").unwrap();
        let stamp = VaultFolder::open(temp.path()).unwrap().stamp("file").unwrap();
        let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
        assert!(!stamp.is_settled(now));
        assert!(!stamp.is_settled(now - hour), "the clock was set back");
        assert!(stamp.is_settled(now + hour));
    }
}
