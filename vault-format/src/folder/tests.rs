//! Reading beneath a folder, whatever lies there.

use std::{fs, os::unix::fs::symlink};

use super::*;

fn folder() -> (tempfile::TempDir, VaultFolder) {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("a/b")).unwrap();
    fs::write(temp.path().join("a/b/file"), "content").unwrap();
    let folder = VaultFolder::open(temp.path()).unwrap();
    (temp, folder)
}

#[test]
fn a_name_is_shown_escaped_where_it_has_to_be() {
    let names = (0..=u8::MAX).map(|byte| vec![b'a', byte]).chain(["é".into(), "plain-name.txt.age".into()]);
    for name in names {
        assert_eq!(shown(&name), name.escape_ascii().to_string());
    }
}

#[test]
fn reads_files_up_to_a_limit() {
    let (_temp, folder) = folder();
    assert_eq!(folder.read("a/b/file", 7).unwrap(), b"content");
    assert!(matches!(folder.read("a/b/file", 6), Err(FolderError::TooLong { .. })));
    assert!(folder.read_if_present("a/b/none", 9).unwrap().is_none());
    assert!(folder.read_if_present("none/b/none", 9).unwrap().is_none());
    assert!(matches!(folder.read("a/b", 9), Err(FolderError::NotPlain(_))));
}

#[test]
fn reads_what_was_signed_and_nothing_else() {
    let (temp, folder) = folder();
    let large = vec![7; usize::try_from(LARGE).unwrap() + 1];
    std::fs::write(temp.path().join("large"), &large).unwrap();
    for (file, bytes) in [("a/b/file", b"content".as_slice()), ("large", &large)] {
        let signed = |digest| folder.read_signed(file, LARGE * 2, digest).unwrap();
        assert_eq!(signed(Digest::of(bytes)).unwrap(), bytes);
        assert!(signed(Digest::of(b"other")).is_none());
        assert!(matches!(folder.read_signed(file, 6, Digest::of(bytes)), Err(FolderError::TooLong { .. })));
    }
}

#[test]
fn no_link_is_followed_at_any_depth() {
    let (temp, folder) = folder();
    symlink("b", temp.path().join("a/link")).unwrap();
    symlink("file", temp.path().join("a/b/link")).unwrap();
    assert!(matches!(folder.read("a/link/file", 9), Err(FolderError::NotPlain(_))));
    assert!(matches!(folder.read("a/b/link", 9), Err(FolderError::NotPlain(_))));
}

/// Where openat2(2) is not to be had.
#[test]
fn the_walk_leads_to_the_same_folder() {
    let (temp, folder) = folder();
    let walked = folder.walk("a/b/file", "a/b").unwrap().unwrap();
    let (at_once, name) = folder.parent_of("a/b/file").unwrap();
    assert_eq!(name, "file");
    let inode = |folder: &OwnedFd| rustix::fs::fstat(folder).unwrap().st_ino;
    assert_eq!(inode(&walked), inode(&at_once.unwrap()));
    symlink("b", temp.path().join("a/link")).unwrap();
    assert!(matches!(folder.walk("a/link/file", "a/link"), Err(FolderError::NotPlain(_))));
    assert!(open_at_once(folder.root(), "a/link/file", OFlags::RDONLY).is_none());
    assert!(open_at_once(folder.root(), "../x", OFlags::RDONLY).is_none());
}

#[test]
fn a_fifo_is_refused_without_waiting() {
    let (temp, folder) = folder();
    rustix::fs::mkfifoat(CWD, temp.path().join("fifo"), Mode::RUSR).unwrap();
    assert!(matches!(folder.read("fifo", 9), Err(FolderError::NotPlain(_))));
}

#[test]
fn lists_everything_but_git() {
    let (temp, folder) = folder();
    fs::create_dir(temp.path().join(".git")).unwrap();
    fs::write(temp.path().join(".git/config"), "").unwrap();
    symlink("x", temp.path().join("a/link")).unwrap();
    let listed: Vec<_> = folder.entries().unwrap().into_iter().map(|e| (e.path, e.is_plain_file)).collect();
    assert_eq!(listed, [("a/b/file".to_owned(), true), ("a/link".to_owned(), false)]);
}
