//! Every way of reading gives the same bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::process::Command;
use std::thread;

use rustix::fs::OFlags;

use crate::stand::{self, Stand, file, installed};

const SIZES: [(&str, usize); 6] = [
    ("empty", 0),
    ("byte", 1),
    ("page-less", 4095),
    ("page", 4096),
    ("page-more", 4097),
    ("large", (1 << 20) + 3),
];

/// Bytes that show when they are read from the wrong place.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251).to_le_bytes()[0] ^ size.to_le_bytes()[0]).collect()
}

fn serving() -> Option<Stand> {
    Stand::serving(&SIZES.map(|(name, size)| file(name, 0o444, bytes(size))))
}

#[test]
fn sizes_are_exact_and_times_are_given() {
    let Some(stand) = serving() else { return };
    for (name, size) in SIZES {
        let metadata = fs::metadata(stand.path(name)).expect(name);
        assert_eq!(metadata.len(), size as u64, "{name}");
        assert_eq!(metadata.blocks(), size.div_ceil(4096) as u64 * 8, "{name}");
        assert_eq!(metadata.modified().expect(name), stand::modified(), "{name}");
        assert_eq!(fs::read(stand.path(name)).expect(name), bytes(size), "{name}");
    }
    stand.end();
}

#[test]
fn without_the_page_cache() {
    let Some(stand) = serving() else { return };
    for (name, size) in SIZES {
        let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a flag");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).custom_flags(direct).open(stand.path(name)).expect(name);
        let mut read = Vec::new();
        file.read_to_end(&mut read).expect(name);
        assert!(read == bytes(size), "{name}");
    }
    stand.end();
}

#[test]
fn from_any_place_and_beyond_the_end() {
    let Some(stand) = serving() else { return };
    for (name, size) in SIZES {
        let mut file = File::open(stand.path(name)).expect(name);
        let end = size as u64;
        let mut part = [7; 16];
        for beyond in [end, end + 1, end + 5000, 1 << 40] {
            assert_eq!(file.read_at(&mut part, beyond).expect(name), 0, "{name}");
        }
        let start = size.saturating_sub(9);
        let count = file.read_at(&mut part, start as u64).expect(name);
        assert_eq!(part[..count], bytes(size)[start..], "{name}");
        assert_eq!(file.seek(SeekFrom::End(0)).expect(name), end);
    }
    stand.end();
}

#[test]
fn by_sendfile() {
    let Some(stand) = serving() else { return };
    for (name, size) in SIZES {
        let from = File::open(stand.path(name)).expect(name);
        let mut to = tempfile::tempfile().expect("a file");
        while rustix::fs::sendfile(&to, &from, None, 1 << 20).expect(name) > 0 {}
        to.rewind().expect("rewind");
        let mut read = Vec::new();
        to.read_to_end(&mut read).expect(name);
        assert!(read == bytes(size), "{name}");
    }
    stand.end();
}

#[test]
fn by_mmap() {
    if !installed("python3") {
        return;
    }
    let Some(stand) = serving() else { return };
    let program = "import mmap, sys
with open(sys.argv[1], 'rb') as f:
    sys.stdout.buffer.write(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ))";
    for (name, size) in SIZES.into_iter().filter(|(_, size)| *size > 0) {
        let mut python = Command::new("python3");
        let output = python.args(["-c", program]).arg(stand.path(name)).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == bytes(size), "{name}");
    }
    stand.end();
}

#[test]
fn by_64_readers_at_once() {
    let Some(stand) = serving() else { return };
    thread::scope(|scope| {
        for reader in 0..64 {
            let stand = &stand;
            scope.spawn(move || {
                for round in 0..SIZES.len() {
                    let (name, size) = SIZES[(reader + round) % SIZES.len()];
                    assert!(fs::read(stand.path(name)).expect(name) == bytes(size), "{name}");
                }
            });
        }
    });
    stand.end();
}

#[test]
fn long_directories_are_listed_whole() {
    let names: Vec<String> = (0..3000).map(|number| format!("dir/{number:04}")).collect();
    let names: &'static [String] = names.leak();
    let files: Vec<_> = names.iter().map(|name| file(name, 0o400, name.as_str())).collect();
    let Some(stand) = Stand::serving(&files) else {
        return;
    };
    for _ in ["from the server", "from the cache"] {
        let listed = fs::read_dir(stand.path("dir")).expect("dir");
        let mut listed: Vec<_> = listed.map(|entry| entry.expect("entry")).collect();
        listed.sort_by_key(std::fs::DirEntry::file_name);
        assert_eq!(listed.len(), names.len());
        for (entry, name) in listed.iter().zip(names) {
            assert_eq!(entry.file_name().to_str(), name.strip_prefix("dir/"));
            assert_eq!(entry.metadata().expect("stat").len(), name.len() as u64);
        }
    }
    stand.end();
}

#[test]
fn a_hundred_thousand_secrets() {
    let names: Vec<String> = (0..100_000).map(|at| format!("{}/{at}.key", at % 300)).collect();
    let names: &'static [String] = names.leak();
    let files: Vec<_> = names.iter().map(|name| file(name, 0o400, name.as_str())).collect();
    let Some(stand) = Stand::serving(&files) else {
        return;
    };
    for name in names.iter().step_by(997) {
        assert_eq!(fs::read_to_string(stand.path(name)).expect(name), *name);
    }
    stand.end();
}

#[test]
fn statfs_counts_pages_and_files() {
    let Some(stand) = serving() else { return };
    let counts = rustix::fs::statvfs(stand.root()).expect("statvfs");
    let pages: usize = SIZES.iter().map(|(_, size)| size.div_ceil(4096)).sum();
    assert_eq!(counts.f_blocks, pages as u64);
    assert_eq!((counts.f_bfree, counts.f_ffree), (0, 0));
    assert_eq!(counts.f_files, SIZES.len() as u64 + 1);
    assert_eq!((counts.f_bsize, counts.f_frsize, counts.f_namemax), (4096, 4096, 255));
    stand.end();
}
