use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;

use proptest::prelude::*;
use rustix::fs::MemfdFlags;
use tar::{EntryType, Header};
use vault_format::folder::MAX_FILE;
use vault_format::{Digest, VaultFolder};

use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> (tempfile::TempDir, VaultFolder) {
    let temp = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files {
        write(temp.path(), path, bytes);
    }
    let folder = VaultFolder::open(temp.path()).expect("a vault's folder");
    (temp, folder)
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, bytes).expect("a file");
}

fn snapshot_of(folder: &VaultFolder) -> Snapshot {
    let recorder = Recorder::new(folder).expect("a memory object");
    for entry in recorder.entries().expect("a listing") {
        recorder.read(&entry.path, MAX_FILE).expect("a file");
    }
    recorder.finish().expect("a snapshot")
}

fn reopened(snapshot: &Snapshot) -> Snapshot {
    Snapshot::from_file(snapshot.as_fd().try_clone_to_owned().expect("dup")).expect("the same snapshot")
}

fn file_of(bytes: &[u8]) -> File {
    let memory = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC).expect("a memory object");
    let mut file = File::from(memory);
    file.write_all(bytes).expect("bytes");
    file
}

fn size_of(snapshot: &Snapshot) -> u64 {
    snapshot.file.metadata().expect("metadata").len()
}

fn bytes_of(snapshot: &Snapshot) -> Vec<u8> {
    bytes(&snapshot.file, &(0..size_of(snapshot))).expect("all of it")
}

/// The tar file of these entries, and its end.
fn tar_of(entries: &[(EntryType, &[u8], &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, path, bytes) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

#[test]
fn gives_back_what_was_read_and_nothing_else() {
    let deep = format!("{}/{}", "d".repeat(200), "f".repeat(250));
    let (_temp, folder) = folder(&[
        ("vault.lock", b"lock"),
        ("empty", b""),
        (&deep, b"deep"),
        ("block", &[7; 512]),
        ("longer", &[8; 513]),
        (
            "exactly/a/hundred/bytes/1234567890123456789012345678901234567890123456789012345678901234567890123456",
            b"h",
        ),
        ("unread", b"not for us"),
    ]);
    let recorder = Recorder::new(&folder).expect("a memory object");
    let paths: Vec<String> = recorder.entries().expect("a listing").into_iter().map(|e| e.path).collect();
    let read: Vec<&String> = paths.iter().filter(|path| *path != "unread").collect();
    for path in &read {
        assert_eq!(recorder.read(path, 9999).expect("a file"), folder.read(path, 9999).expect("a file"));
    }
    assert!(matches!(recorder.read("none", 9), Err(FolderError::Missing(_))));
    let recorded = recorder.finish().expect("a snapshot");
    for snapshot in [reopened(&recorded), recorded] {
        let listed: Vec<String> =
            snapshot.entries().expect("a listing").into_iter().map(|e| e.path).collect();
        assert!(listed.iter().eq(read.iter().copied()), "{listed:?}");
        for path in &read {
            let bytes = folder.read(path, 9999).expect("a file");
            assert_eq!(snapshot.read(path, 9999).expect("a kept file"), bytes, "{path}");
            let span = snapshot.span(path).expect("a span");
            assert_eq!(super::bytes(&snapshot.file, &span).expect("bytes"), bytes, "{path}");
        }
        assert!(snapshot.span("unread").is_none());
        assert!(matches!(snapshot.read("unread", 99), Err(FolderError::Missing(_))));
        assert!(matches!(snapshot.read("longer", 512), Err(FolderError::TooLong { limit: 512, .. })));
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_read_once() {
    let (temp, folder) = folder(&[("file", b"before")]);
    let recorder = Recorder::new(&folder).expect("a memory object");
    assert_eq!(recorder.read("file", 9).expect("a file"), b"before");
    write(temp.path(), "file", b"after");
    assert_eq!(recorder.read("file", 9).expect("a file"), b"before");
    assert!(matches!(recorder.read("file", 5), Err(FolderError::TooLong { .. })));
    assert_eq!(recorder.finish().expect("a snapshot").read("file", 9).expect("a file"), b"before");
}

#[test]
fn what_nobody_signed_is_not_kept() {
    let long = vec![7; 2 << 20];
    let (_temp, folder) = folder(&[("short", b"short"), ("long", &long)]);
    let refused = Recorder::new(&folder).expect("a memory object");
    for path in ["short", "long"] {
        let other = Digest::of(b"other");
        assert_eq!(refused.read_signed(path, 9 << 20, other).expect("a file"), None);
    }
    assert_eq!(refused.finish().expect("a snapshot").spans.len(), 0);

    let recorder = Recorder::new(&folder).expect("a memory object");
    let signed = |path, bytes: &[u8]| recorder.read_signed(path, 9 << 20, Digest::of(bytes)).expect("a file");
    assert_eq!(signed("short", b"short").expect("signed"), b"short");
    assert_eq!(signed("long", &long).expect("signed"), long);
    // Also what was read before is what was asked for, or nothing.
    assert_eq!(signed("long", &long).expect("signed"), long);
    assert_eq!(signed("short", b"other"), None);
    assert_eq!(recorder.finish().expect("a snapshot").read("short", 9).expect("a file"), b"short");
}

#[test]
fn no_more_is_kept_than_there_is_memory_for() {
    let (_temp, folder) = folder(&[("a", b"12345"), ("b", b"123456"), ("c", b"12345")]);
    let recorder = Recorder::up_to(10, &folder).expect("a memory object");
    recorder.read("a", 9).expect("a file");
    let error = recorder.read("b", 9).expect_err("too much");
    assert!(vault_format::report::render(&error).contains("more than half of this machine's memory"));
    recorder.read("c", 9).expect("a file that fits");
    recorder.read("a", 9).expect("a file that is kept");
}

#[test]
fn several_threads_may_read() {
    let files: Vec<(String, Vec<u8>)> =
        (0..500_usize).map(|n| (format!("f{n}"), format!("{n}").into_bytes().repeat(n))).collect();
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(p, b)| (p.as_str(), b.as_slice())).collect();
    let (_temp, folder) = folder(&borrowed);
    let recorder = Recorder::new(&folder).expect("a memory object");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (path, bytes) in &files {
                    assert_eq!(recorder.read(path, 9999).expect("a file"), *bytes);
                }
            });
        }
    });
    let snapshot = reopened(&recorder.finish().expect("a snapshot"));
    assert_eq!(snapshot.entries().expect("a listing").len(), files.len());
    for (path, bytes) in &files {
        assert_eq!(snapshot.read(path, 9999).expect("a file"), *bytes);
    }
}

#[test]
fn is_closed_to_any_change() {
    let (_temp, folder) = folder(&[("file", b"bytes")]);
    let snapshot = snapshot_of(&folder);
    assert!(is_sealed(&snapshot).expect("seals"));
    assert!(snapshot.file.write_at(b"x", 0).is_err());
    assert!(snapshot.file.set_len(0).is_err());
    assert!(snapshot.file.set_len(1 << 20).is_err());

    let open = Snapshot::from_file(file_of(&bytes_of(&snapshot))).expect("a snapshot");
    assert!(!is_sealed(&open).expect("seals"));
    let kept = tempfile::tempfile().expect("a file on disk");
    copy(&snapshot, &kept).expect("a copy");
    let kept = Snapshot::from_file(kept).expect("a snapshot");
    assert!(!is_sealed(&kept).expect("seals"));
    assert_eq!(kept.read("file", 9).expect("a file"), b"bytes");
}

/// Another process may have read from the same descriptor.
#[test]
fn the_position_of_the_descriptor_is_neither_used_nor_changed() {
    let (_temp, folder) = folder(&[("file", b"bytes"), ("other", b"x")]);
    let snapshot = snapshot_of(&folder);
    (&snapshot.file).seek(SeekFrom::Start(700)).expect("seek");
    let again = reopened(&snapshot);
    assert_eq!(again.read("file", 9).expect("a file"), b"bytes");
    let kept = tempfile::tempfile().expect("a file");
    copy(&again, &kept).expect("a copy");
    assert_eq!(kept.metadata().expect("metadata").len(), size_of(&again));
    assert_eq!((&snapshot.file).stream_position().expect("a position"), 700);
}

#[test]
fn stock_tar_reads_it() {
    let long = "n".repeat(200);
    let (_temp, folder) = folder(&[("a/file", b"bytes"), (&long, b"x")]);
    let snapshot = snapshot_of(&folder);
    let target = tempfile::NamedTempFile::new().expect("a file");
    copy(&snapshot, target.as_file()).expect("a copy");
    let listed = std::process::Command::new("tar").arg("-tf").arg(target.path()).output().expect("tar");
    let mut listed: Vec<String> =
        String::from_utf8(listed.stdout).expect("text").lines().map(str::to_owned).collect();
    listed.sort();
    assert_eq!(listed, ["a/file".to_owned(), long]);
}

/// A whole snapshot, and two that follow it: `a` changes, `b` goes, `c` comes and goes again, `d` stays.
fn grown() -> (Vec<u8>, [usize; 2]) {
    let (temp, files) = folder(&[("a", b"1"), ("b", b"1"), ("d", b"1")]);
    let mut tar = bytes_of(&snapshot_of(&files));
    let mut ends = [tar.len(), 0];
    for (path, bytes, removed) in [("c", b"2", "b"), ("a", b"3", "c")] {
        write(temp.path(), path, bytes);
        let recorder = Recorder::new(&files).expect("a memory object");
        recorder.read(path, 9).expect("a file");
        let later = recorder.finish_without(&[removed.to_owned()]).expect("a snapshot");
        assert_eq!(later.read(path, 9).expect("a file"), bytes);
        tar.extend(bytes_of(&later));
        ends[1] = if ends[1] == 0 { tar.len() } else { ends[1] };
    }
    (tar, ends)
}

fn contents(snapshot: &Snapshot) -> Vec<(String, Vec<u8>)> {
    let entries = snapshot.entries().expect("a listing").into_iter();
    entries.map(|entry| (entry.path.clone(), snapshot.read(&entry.path, 9).expect("a file"))).collect()
}

#[test]
fn what_follows_takes_the_place_of_what_was() {
    let (tar, ends) = grown();
    let of = |length: usize| Snapshot::from_file(file_of(&tar[..length])).expect("a snapshot");
    let files = |pairs: &[(&str, &str)]| -> Vec<(String, Vec<u8>)> {
        pairs.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.as_bytes().to_vec())).collect()
    };
    assert_eq!(contents(&of(ends[0])), files(&[("a", "1"), ("b", "1"), ("d", "1")]));
    assert_eq!(contents(&of(ends[1])), files(&[("a", "1"), ("c", "2"), ("d", "1")]));
    assert_eq!(contents(&of(tar.len())), files(&[("a", "3"), ("d", "1")]));
}

/// A machine may stop while it writes what follows, wherever that is.
#[test]
fn what_was_cut_off_behind_its_length_does_not_count() {
    let (tar, ends) = grown();
    let whole = Snapshot::from_file(file_of(&tar[..ends[1]])).expect("a snapshot");
    let length = Some(ends[1] as u64);
    for end in ends[1]..tar.len() {
        let cut = Snapshot::from_file_up_to(file_of(&tar[..end]), length).expect("a snapshot");
        assert_eq!(contents(&cut), contents(&whole), "cut at {end}");
        if end > ends[1] {
            let mut holes = tar.clone();
            holes[ends[1]..end].fill(0);
            let holes = Snapshot::from_file_up_to(file_of(&holes), length).expect("a snapshot");
            assert_eq!(contents(&holes), contents(&whole), "zeros up to {end}");
            assert!(Snapshot::from_file(file_of(&tar[..end])).is_err(), "cut at {end}, and nobody knows");
        }
        for other in [None, Some(ends[0] as u64), Some(tar.len() as u64)].iter().filter(|_| end > ends[1]) {
            assert!(Snapshot::from_file_up_to(file_of(&tar[..end]), *other).is_err(), "cut at {end}");
        }
    }
    // Nor may what counts be cut.
    for end in (0..ends[1]).filter(|end| *end != ends[0]) {
        assert!(Snapshot::from_file_up_to(file_of(&tar[..end]), length).is_err(), "cut at {end}");
    }
}

#[test]
fn a_file_whose_times_cannot_be_trusted_yet_has_no_stamp() {
    let (_temp, folder) = folder(&[("file", b"bytes")]);
    let young = snapshot_of(&folder);
    assert!(young.stamp("file").is_none());
    let stamp = folder.stamp("file").expect("a stamp");
    while !stamp.is_settled(std::time::SystemTime::now()) {
        thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(snapshot_of(&folder).stamp("file"), Some(stamp));
}

#[test]
fn what_no_recorder_wrote_is_refused() {
    use EntryType as Kind;
    let file = |path: &'static [u8]| (Kind::Regular, path, b"x".as_slice());
    let good = tar_of(&[file(b"a"), file(b"b/c")]);
    assert!(Snapshot::from_file(file_of(&good)).is_ok());
    let long = [b"n".repeat(200), vec![0]].concat();
    let long = |kind| (kind, b"././@LongLink".as_slice(), long.as_slice());
    assert!(Snapshot::from_file(file_of(&tar_of(&[long(Kind::GNULongName), file(b"a")]))).is_ok());
    let cut = |at: usize| good[..at].to_vec();
    let with = |more: &[u8]| [good.as_slice(), more].concat();
    let endless = b"n".repeat(5000);
    let (grown, ends) = grown();
    let cases: [(&str, Vec<u8>); 28] = [
        ("a change of nothing", grown[ends[0]..ends[1]].to_vec()),
        ("a change before its beginning", [&grown[ends[0]..], &grown[..ends[0]]].concat()),
        ("a gap in the middle", [&grown[..ends[0]], &[0; 512], &grown[ends[0]..]].concat()),
        ("nothing", Vec::new()),
        ("no tar", b"no tar at all".repeat(200)),
        ("a cut end", cut(good.len() - 512)),
        ("no end", cut(good.len() - 1024)),
        ("a cut file", cut(512 + 1)),
        ("a cut header", cut(1024 + 100)),
        ("more behind the end", with(&[0; 512])),
        ("an archive behind the end", with(&good)),
        ("a name twice", tar_of(&[file(b"a"), file(b"a")])),
        ("no name", tar_of(&[file(b"")])),
        ("an absolute name", tar_of(&[file(b"/etc/passwd")])),
        ("a way out", tar_of(&[file(b"../a")])),
        ("a way out further in", tar_of(&[file(b"a/../../b")])),
        ("a dot", tar_of(&[file(b"./a")])),
        ("two slashes", tar_of(&[file(b"a//b")])),
        ("a slash at the end", tar_of(&[file(b"a/")])),
        ("no UTF-8", tar_of(&[file(b"a\xff")])),
        ("a folder", tar_of(&[(Kind::Directory, b"a", b"")])),
        ("a symbolic link", tar_of(&[(Kind::Symlink, b"a", b"")])),
        ("a hard link", tar_of(&[(Kind::Link, b"a", b"")])),
        ("a device", tar_of(&[(Kind::Char, b"a", b"")])),
        ("a sparse file", tar_of(&[(Kind::GNUSparse, b"a", b"")])),
        ("a pax header", tar_of(&[(Kind::XHeader, b"a", b"12 path=evil\n"), file(b"a")])),
        ("a long name for nothing", tar_of(&[file(b"a"), long(Kind::GNULongName)])),
        ("an endless name", tar_of(&[(Kind::GNULongName, b"a", &endless), file(b"a")])),
    ];
    for (what, bytes) in cases {
        let refused = Snapshot::from_file(file_of(&bytes));
        assert!(refused.is_err(), "{what} was taken: {refused:?}");
    }
}

#[test]
fn sizes_that_lie_are_refused_and_a_gibibyte_is_none() {
    let gibibyte = 1 << 30;
    let sizes = [
        (gibibyte, Some(512 + gibibyte + 1024), true),
        (gibibyte, Some(512 + gibibyte + 512), false),
        (gibibyte, None, false),
        (MAX_FILE + 1, Some(512 + (MAX_FILE + 1).next_multiple_of(512) + 1024), false),
        (u64::MAX - 1000, None, false),
        (u64::MAX >> 1, None, false),
    ];
    for (size, length, sound) in sizes {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[0] = b'a';
        header.set_size(size);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        let file = file_of(header.as_bytes());
        if let Some(length) = length {
            file.set_len(length).expect("a sparse file");
        }
        let snapshot = Snapshot::from_file(file);
        assert_eq!(snapshot.is_ok(), sound, "{size} in {length:?}: {snapshot:?}");
        if let Ok(snapshot) = snapshot {
            assert_eq!(snapshot.span("a"), Some(512..512 + size));
        }
    }
}

#[test]
fn a_hundred_thousand_files_are_none_too_many() {
    #[derive(Debug)]
    struct Numbered;
    impl VaultFiles for Numbered {
        fn read(&self, path: &str, _: u64) -> Result<Vec<u8>, FolderError> {
            Ok(path.as_bytes().to_vec())
        }
        fn entries(&self) -> Result<Vec<Entry>, FolderError> {
            Ok(Vec::new())
        }
    }
    let recorder = Recorder::new(&Numbered).expect("a memory object");
    for number in 0..100_000 {
        recorder.read(&format!("secrets/{number}.age"), 99).expect("a file");
    }
    let snapshot = reopened(&recorder.finish().expect("a snapshot"));
    assert_eq!(snapshot.entries().expect("a listing").len(), 100_000);
    assert_eq!(snapshot.read("secrets/77777.age", 99).expect("a file"), b"secrets/77777.age");
}

proptest! {
    /// Whatever a disk does to a kept snapshot: an error, or spans within it.
    #[test]
    fn damage_is_never_more_than_an_error(
        flips in prop::collection::vec((0_usize..8192, any::<u8>()), 1..8),
        cut in 0_usize..8192,
        fix_sums: bool,
    ) {
        let mut tar = tar_of(&[
            (EntryType::Regular, b"vault.lock", &[b'l'; 700]),
            (EntryType::GNULongName, b"././@LongLink", b"some/long/name\0"),
            (EntryType::Regular, b"some", b"x"),
            (EntryType::Regular, b"last", &[b'z'; 512]),
        ]);
        for (at, to) in flips {
            let at = at % tar.len();
            tar[at] = to;
        }
        if fix_sums {
            fix_checksums(&mut tar);
        }
        tar.truncate(if cut < tar.len() { tar.len() } else { cut });
        let size = tar.len() as u64;
        if let Ok(snapshot) = Snapshot::from_file(file_of(&tar)) {
            for entry in snapshot.entries().expect("a listing") {
                let Some(span) = snapshot.span(&entry.path) else { continue };
                prop_assert!(span.start <= span.end && span.end <= size);
                prop_assert!(snapshot.read(&entry.path, MAX_FILE).is_ok());
            }
        }
    }

    #[test]
    fn any_files_come_back(files in prop::collection::btree_map("[a-z]{1,120}", prop::collection::vec(any::<u8>(), 0..1500), 0..12)) {
        let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(p, b)| (p.as_str(), b.as_slice())).collect();
        let (_temp, folder) = folder(&borrowed);
        let snapshot = reopened(&snapshot_of(&folder));
        for (path, bytes) in &files {
            prop_assert_eq!(&snapshot.read(path, 9999).expect("a file"), bytes);
        }
        prop_assert_eq!(snapshot.entries().expect("a listing").len(), files.len());
    }
}

/// Makes the checksum right where a header should be, so that what was changed is looked at.
fn fix_checksums(tar: &mut [u8]) {
    for at in [0, 1536, 2560, 3584] {
        let Some(block) = tar.get_mut(at..at + 512) else { return };
        let mut header = Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}
