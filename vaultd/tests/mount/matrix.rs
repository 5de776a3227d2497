//! Caller × operation × file: the same outcome, to the error number, as on tmpfs mounted
//! read-only with the same tree.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use tempfile::TempDir;

use crate::stand::{CALLERS, File, GROUP, OWNER, Stand, empty_directory, file};

/// What an operation gave: nothing of interest, or what the caller sees.
type Outcome = Result<String, Errno>;
type Operation = (&'static str, fn(&Path) -> Outcome);

/// Names tried within the tree: files of several modes, directories, and what is not there.
const NAMES: [&str; 13] = [
    "none",
    "owner",
    "owner-writes",
    "group",
    "not-group",
    "all",
    "all-write",
    "runs",
    "dir",
    "dir/inner",
    "dir/missing",
    "missing",
    "all/below",
];

fn tree() -> Vec<File> {
    vec![
        file("none", 0o000, "none"),
        file("owner", 0o400, "owner"),
        file("owner-writes", 0o600, "owner writes"),
        file("group", 0o640, vec![b'g'; 5000]),
        file("not-group", 0o604, "not the group"),
        file("all", 0o444, ""),
        file("all-write", 0o666, "all write"),
        file("runs", 0o755, "#!/bin/true\n"),
        file("dir/inner", 0o440, "inner"),
        file("dir/sub/deep", 0o400, "deep"),
    ]
}

/// The same tree on tmpfs, mounted read-only with the same flags.
struct Tmpfs {
    root: PathBuf,
    _directory: TempDir,
}

impl Tmpfs {
    fn holding(files: &[File]) -> Self {
        let (directory, root) = empty_directory();
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOSYMFOLLOW;
        rustix::mount::mount("tmpfs", &root, "tmpfs", flags, c"mode=0711").expect("tmpfs");
        let tmpfs = Self { root, _directory: directory };
        for file in files {
            tmpfs.hold(file);
        }
        rustix::mount::mount_remount(&tmpfs.root, flags | MountFlags::RDONLY, c"").expect("read-only");
        tmpfs
    }

    fn hold(&self, file: &File) {
        let path = self.root.join(file.path);
        for directory in Path::new(file.path).ancestors().skip(1) {
            let directory = self.root.join(directory);
            fs::create_dir_all(&directory).expect("mkdir");
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o711)).expect("chmod");
        }
        fs::write(&path, &file.bytes).expect("write");
        chown(&path, Some(OWNER), Some(GROUP)).expect("chown");
        let mode = fs::Permissions::from_mode(file.mode.into());
        fs::set_permissions(&path, mode).expect("chmod");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.root, UnmountFlags::DETACH);
    }
}

fn open(path: &Path, flags: OFlags) -> Outcome {
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)).map(|_| String::new())
}

fn nothing(outcome: rustix::io::Result<()>) -> Outcome {
    outcome.map(|()| String::new())
}

fn read(path: &Path) -> Outcome {
    let file = rustix::fs::open(path, OFlags::RDONLY, Mode::empty())?;
    let mut bytes = vec![0; 8192];
    let count = rustix::io::read(&file, &mut bytes)?;
    Ok(format!("{count} {:?}", bytes.first()))
}

fn stat(path: &Path) -> Outcome {
    let s = rustix::fs::lstat(path)?;
    let ids = (s.st_uid, s.st_gid, s.st_mode, s.st_nlink);
    Ok(format!("{ids:?} {:?}", (s.st_size, s.st_blocks, s.st_blksize)))
}

fn list(path: &Path) -> Outcome {
    let directory = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        names.push(format!("{:?} {:?}", entry.file_name(), entry.file_type()));
    }
    names.sort();
    Ok(names.join(", "))
}

fn new_name(path: &Path) -> PathBuf {
    path.with_file_name("new")
}

fn times() -> Timestamps {
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    Timestamps { last_access: second, last_modification: second }
}

const LOOKS: [Operation; 14] = [
    ("stat", stat),
    ("read", read),
    ("list", list),
    ("readable", |p| nothing(rustix::fs::access(p, Access::READ_OK))),
    ("writable", |p| nothing(rustix::fs::access(p, Access::WRITE_OK))),
    ("executable", |p| nothing(rustix::fs::access(p, Access::EXEC_OK))),
    ("open as directory", |p| open(p, OFlags::DIRECTORY)),
    ("open as path", |p| open(p, OFlags::PATH)),
    ("open nofollow", |p| open(p, OFlags::NOFOLLOW)),
    ("readlink", |p| rustix::fs::readlink(p, Vec::new()).map(|_| String::new())),
    ("getxattr", |p| rustix::fs::getxattr(p, c"user.x", &mut [0; 9]).map(|n| n.to_string())),
    ("listxattr", |p| rustix::fs::listxattr(p, &mut [0u8; 99]).map(|n| n.to_string())),
    ("name too long", |p| stat(&p.with_file_name("n".repeat(256)))),
    ("statfs", |p| rustix::fs::statfs(p).map(|s| format!("{} {}", s.f_bsize, s.f_namelen))),
];

const CHANGES: [Operation; 29] = [
    ("open to write", |p| open(p, OFlags::WRONLY)),
    ("open to read and write", |p| open(p, OFlags::RDWR)),
    ("open to append", |p| open(p, OFlags::WRONLY | OFlags::APPEND)),
    ("open and truncate", |p| open(p, OFlags::WRONLY | OFlags::TRUNC)),
    ("read and truncate", |p| open(p, OFlags::RDONLY | OFlags::TRUNC)),
    ("create", |p| open(p, OFlags::WRONLY | OFlags::CREATE)),
    ("create to read", |p| open(p, OFlags::RDONLY | OFlags::CREATE)),
    ("create only", |p| open(p, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)),
    ("create beside", |p| open(&new_name(p), OFlags::WRONLY | OFlags::CREATE)),
    ("temporary file", |p| open(p, OFlags::WRONLY | OFlags::TMPFILE)),
    ("truncate", |p| match nix::unistd::truncate(p, 0) {
        Ok(()) => Ok(String::new()),
        Err(errno) => Err(Errno::from_raw_os_error(errno as i32)),
    }),
    ("mkdir", |p| nothing(rustix::fs::mkdir(p, Mode::RWXU))),
    ("mkdir beside", |p| nothing(rustix::fs::mkdir(new_name(p), Mode::RWXU))),
    ("rmdir", |p| nothing(rustix::fs::rmdir(p))),
    ("unlink", |p| nothing(rustix::fs::unlink(p))),
    ("rename", |p| nothing(rustix::fs::rename(p, new_name(p)))),
    ("rename over", |p| nothing(rustix::fs::rename(p, p.with_file_name("all")))),
    ("rename onto itself", |p| nothing(rustix::fs::rename(p, p))),
    ("symlink", |p| nothing(rustix::fs::symlink("x", p))),
    ("symlink beside", |p| nothing(rustix::fs::symlink("x", new_name(p)))),
    ("link", |p| nothing(rustix::fs::link(p, new_name(p)))),
    ("mknod fifo", |p| nothing(rustix::fs::mknodat(CWD, new_name(p), FileType::Fifo, Mode::RWXU, 0))),
    ("mknod device", |p| {
        nothing(rustix::fs::mknodat(CWD, new_name(p), FileType::CharacterDevice, Mode::RWXU, 259))
    }),
    ("chmod", |p| nothing(rustix::fs::chmod(p, Mode::RWXU))),
    ("chown", |p| nothing(rustix::fs::chown(p, Some(Uid::from_raw(7)), Some(Gid::from_raw(7))))),
    ("chown to nobody", |p| nothing(rustix::fs::chown(p, None, None))),
    ("utimens", |p| nothing(rustix::fs::utimensat(CWD, p, &times(), AtFlags::empty()))),
    ("setxattr", |p| nothing(rustix::fs::setxattr(p, c"user.x", b"x", XattrFlags::empty()))),
    ("removexattr", |p| nothing(rustix::fs::removexattr(p, c"user.x"))),
];

/// Every cell of the matrix for a tree at `root`.
fn outcomes(root: &Path) -> BTreeMap<String, Outcome> {
    let mut cells = BTreeMap::new();
    for caller in CALLERS {
        caller.run(|| {
            for (operation, act) in LOOKS.iter().chain(&CHANGES) {
                for name in NAMES {
                    let cell = format!("{} as {}: {name}", operation, caller.name);
                    cells.insert(cell, act(&root.join(name)));
                }
                cells.insert(format!("{operation} as {}: .", caller.name), act(root));
            }
        });
    }
    cells
}

#[test]
fn every_cell_is_as_on_tmpfs() {
    let files = tree();
    let Some(stand) = Stand::serving(&files) else {
        return;
    };
    let tmpfs = Tmpfs::holding(&files);

    let (ours, theirs) = (outcomes(stand.root()), outcomes(&tmpfs.root));

    let differing: Vec<String> = ours
        .iter()
        .filter(|(cell, outcome)| theirs[*cell] != **outcome)
        .map(|(cell, outcome)| format!("{cell}: {outcome:?}, tmpfs {:?}", theirs[cell]))
        .collect();
    assert_eq!(ours.len(), theirs.len());
    eprintln!("{} cells", ours.len());
    assert!(differing.is_empty(), "{} cells differ:\n{}", differing.len(), differing.join("\n"));
    stand.end();
}
