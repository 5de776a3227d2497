//! Any file of a vault swapped, cut off, rolled back, removed, replaced or added: `verify` against a
//! list of signers from outside names it and exits with 1.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use fixtures::sample::Sample;
use rustix::fs::{CWD, Mode, mkfifoat};
use vault_format::{LOCK_FILE, POLICY_FILE, SIGNATURE_FILE};

fn remove(path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
}

/// What is said of a file with other bytes. A lock that was changed and a signature that was made over
/// another lock look the same, so both are said to be the lock's, with a hint that names both.
fn changed(file: &str) -> Vec<String> {
    vec![format!("{file} is not what was signed")]
}

/// What is said of a file with other bytes, if a signature may be none at all afterwards.
fn garbled(file: &str) -> Vec<String> {
    if file == SIGNATURE_FILE { malformed() } else { changed(file) }
}

fn malformed() -> Vec<String> {
    vec!["vault.lock.sig is not a well-formed SSH signature".to_owned()]
}

#[test]
fn any_two_files_swapped() {
    let sample = Sample::standard();
    let mut count = 0;
    for (index, one) in sample.files.iter().enumerate() {
        for other in &sample.files[index + 1..] {
            let (first, second) = (sample.bytes(one), sample.bytes(other));
            let swap = || {
                fs::write(sample.path(one), &second).expect("other bytes");
                fs::write(sample.path(other), &first).expect("other bytes");
            };
            let pair = [one.as_str(), other];
            // After a wrong signature nothing else is looked at.
            let errors = match pair {
                _ if pair.contains(&SIGNATURE_FILE) => malformed(),
                _ if pair.contains(&LOCK_FILE) => changed(LOCK_FILE),
                _ => [changed(one), changed(other)].concat(),
            };
            sample.expect_after(&format!("{one} and {other} swapped"), &pair, swap, &errors);
            count += 1;
        }
    }
    sample.expect_whole();
    println!("{count} swaps of {} files", sample.files.len());
}

#[test]
fn any_file_cut_off_or_longer() {
    let sample = Sample::standard();
    let mut count = 0;
    for file in &sample.files {
        let bytes = sample.bytes(file);
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let what = format!("cut off after {length} bytes");
            sample.expect_with(&what, file, &bytes[..length], &garbled(file));
            count += 1;
        }
        for more in [0, b'\n'] {
            let longer = [bytes.as_slice(), &[more]].concat();
            sample.expect_with("with a byte more", file, &longer, &garbled(file));
            count += 1;
        }
    }
    sample.expect_whole();
    println!("{count} other lengths of {} files", sample.files.len());
}

#[test]
fn any_file_rolled_back() {
    let sample = Sample::standard();
    for file in &sample.files {
        let older = fs::read(sample.older.join(file)).expect("a file");
        let file_named = if file == SIGNATURE_FILE { LOCK_FILE } else { file };
        sample.expect_with("rolled back", file, &older, &changed(file_named));
    }
    // Both together are sound, and then it is all the other files that are not as they say.
    let signed = [LOCK_FILE, SIGNATURE_FILE];
    let back = || {
        for file in signed {
            fs::copy(sample.older.join(file), sample.path(file)).expect("an older file");
        }
    };
    let others = sample.files.iter().filter(|file| !signed.contains(&file.as_str()));
    let errors: Vec<String> = others.flat_map(|file| changed(file)).collect();
    sample.expect_after("lock and signature rolled back", &signed, back, &errors);
    sample.expect_whole();
    println!("{} files rolled back", sample.files.len());
}

type Put = fn(&Path);

/// What can lie where a file should be.
const INSTEAD: [(&str, Put); 6] = [
    ("nothing", |_| ()),
    ("a link to nowhere", |path| symlink("/nowhere", path).expect("a link")),
    ("a link to another file", |path| symlink("/etc/passwd", path).expect("a link")),
    ("a fifo", |path| mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a fifo")),
    ("a socket", |path| drop(UnixListener::bind(path).expect("a socket"))),
    ("a folder", |path| fs::create_dir(path).expect("a folder")),
];

/// What is said of a file in whose place there is something else.
fn replaced(sample: &Sample, file: &str, what: &str) -> String {
    let path = sample.path(file);
    match (what, file) {
        ("nothing" | "a link to nowhere", POLICY_FILE) => {
            format!("{}: it is not a vault: it has no {file}", sample.vault.path().display())
        }
        ("nothing", _) => format!("{}: there is no such file or folder", path.display()),
        // Of a folder, the files in it are listed; and lock and signature come before any listing.
        ("a folder", _) | (_, LOCK_FILE | SIGNATURE_FILE) => {
            format!("{}: it is a symbolic link or a special file", path.display())
        }
        _ => format!("{file} is a symbolic link or a special file"),
    }
}

#[test]
fn any_file_removed_or_replaced() {
    let sample = Sample::standard();
    let mut count = 0;
    for file in &sample.files {
        for (what, put) in INSTEAD {
            let replace = || {
                remove(&sample.path(file));
                put(&sample.path(file));
            };
            let errors = [replaced(&sample, file, what)];
            sample.expect_after(&format!("{what} for {file}"), &[file], replace, &errors);
            count += 1;
        }
        // Its own bytes, but by way of a link: another place could change them after the check.
        let away = sample.vault.beside("away");
        let link = || {
            fs::rename(sample.path(file), &away).expect("a file to move");
            symlink(&away, sample.path(file)).expect("a link");
        };
        let errors = [replaced(&sample, file, "a link")];
        sample.expect_after(&format!("a link to the bytes of {file}"), &[file], link, &errors);
        count += 1;
    }
    sample.expect_whole();
    println!("{count} files removed or replaced");
}

#[test]
fn files_that_nobody_signed() {
    let sample = Sample::standard();
    let genuine = sample.bytes("passwords/root.txt.age");
    let extra = [
        ("extra.age", "extra.age"),
        (".age", ".age"),
        ("passwords/root.age", "passwords/root.age"),
        ("passwords/ROOT.txt.age", "passwords/ROOT.txt.age"),
        ("new/folder/extra.age", "new/folder/extra.age"),
        ("line\nbreak.age", "line\\nbreak.age"),
        ("machines/extra.age", "machines/extra.age"),
        ("templates/extra", "templates/extra"),
        ("templates/new/folder/extra.conf", "templates/new/folder/extra.conf"),
    ];
    for (file, shown) in extra {
        let path = sample.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, &genuine).expect("an extra file");
        sample.expect(&[format!("{shown} is not in the lock")], file);
        remove(&path);
    }
    let special = INSTEAD.iter().filter(|(what, _)| !["nothing", "a folder"].contains(what));
    for file in ["extra", "certs/extra.age", "templates/link", "new/folder/key"] {
        for (what, put) in special.clone() {
            put(&sample.path(file));
            let errors = [format!("{file} is a symbolic link or a special file")];
            sample.expect(&errors, &format!("{what} at {file}"));
            remove(&sample.path(file));
        }
    }
    // Any other file is no part of the vault, and so no reason to refuse it.
    fs::write(sample.path("README.md"), "").expect("a file");
    sample.verify().says("warning: README.md is not part of the vault");
    sample.expect_whole();
}
