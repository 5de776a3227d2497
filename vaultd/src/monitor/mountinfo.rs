//! The mounts of this process's namespace (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The file system type of our mounts, as `/proc/mounts` shows it.
pub const FILE_SYSTEM: &str = "fuse.vaultd";

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Unique among the mounts that exist now.
    pub id: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Minor number of its device, which for FUSE is the number of its connection.
    pub minor: u32,
    /// What it is, e.g. `tmpfs`.
    pub file_system: String,
}

impl Mounted {
    /// Whether vaultd made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.file_system == FILE_SYSTEM
    }

    /// Whether it is a FUSE file system that nobody serves any more. Asks its server, so it
    /// waits for one that is slow.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        // Not stat(2): the kernel may answer that from its cache. ECONNABORTED: its server went
        // away while we asked.
        let is_gone = |errno| matches!(errno, Errno::NOTCONN | Errno::CONNABORTED);
        let is_fuse = self.file_system == "fuse" || self.file_system.starts_with("fuse.");
        is_fuse && rustix::fs::statfs(&self.path).is_err_and(is_gone)
    }
}

/// All mounts, a later one on top of an earlier one at the same path.
///
/// # Errors
/// `/proc/self/mountinfo` cannot be read.
pub fn all() -> io::Result<Vec<Mounted>> {
    let table = fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// The mount that is seen at `path`, if `path` is a mount point.
///
/// # Errors
/// `/proc/self/mountinfo` cannot be read.
pub fn at(path: &Path) -> io::Result<Option<Mounted>> {
    Ok(all()?.into_iter().rfind(|mount| mount.path == path))
}

/// `36 35 98:0 /root /path options [optional fields] - type source options`
fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = std::str::from_utf8(fields.nth(1)?).ok()?;
    let minor = device.split_once(':')?.1.parse().ok()?;
    let path = fields.nth(1)?;
    let file_system = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mounted {
        id,
        minor,
        path: OsString::from_vec(unescape(path)).into(),
        file_system: String::from_utf8_lossy(file_system).into_owned(),
    })
}

/// Undoes `\040` and the like, which stand for white space and the backslash itself.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Mounted, parse};

    #[test]
    fn reads_a_line() {
        let line = br"36 35 0:41 / /run/my\040vault\134 ro,nosuid shared:1 master:2 - fuse.vaultd vaultd ro";
        let expected = Mounted {
            id: 36,
            minor: 41,
            path: r"/run/my vault\".into(),
            file_system: "fuse.vaultd".to_owned(),
        };
        assert!(expected.is_ours());
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn skips_what_is_no_line() {
        for line in ["", "36", "x 35 0:41 / /run ro - tmpfs tmpfs ro", "1 2 0:1 / /run ro tmpfs"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
