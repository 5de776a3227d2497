//! Files that are swapped, removed, replaced, of another length, rolled back, or more than there should be.

use std::{fs, os::unix::fs::symlink};

use fixtures::{machine, tree};
use rustix::fs::{CWD, Mode, mkfifoat};
use vault_format::{LOCK_FILE, SIGNATURE_FILE};

use super::{CANARY, Victim, named, sample};
use crate::stand::{NEEDS, Stand};

#[test]
fn any_two_files_swapped() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(sample());
    let files = victim.files();
    let mut count = 0;
    for (index, one) in files.iter().enumerate() {
        for other in &files[index + 1..] {
            let swap = || {
                fs::write(victim.path(one), victim.bytes(other)).expect("other bytes");
                fs::write(victim.path(other), victim.bytes(one)).expect("other bytes");
            };
            let pair = [one.as_str(), other];
            // After a wrong signature nothing else is looked at.
            let signed = pair.iter().any(|file| named(file) == LOCK_FILE);
            let named = if signed { [LOCK_FILE; 2] } else { pair };
            victim.refuses_after(&format!("{one} and {other} swapped"), &pair, swap, &named);
            count += 1;
        }
    }
    victim.expect_whole();
    println!("{count} swaps of {} files", files.len());
}

#[test]
fn any_file_cut_off_or_longer() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(sample());
    for file in victim.files() {
        let bytes = victim.bytes(&file);
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            victim.refuses_with(&format!("cut off after {length} bytes"), &file, &bytes[..length]);
        }
        for more in [&b"\n"[..], b"\0", b"more than it had"] {
            victim.refuses_with("with more bytes", &file, &[&bytes, more].concat());
        }
    }
    victim.expect_whole();
}

#[test]
fn any_file_removed_or_replaced() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(sample());
    let away = victim.stand.vault.beside("away");
    for file in victim.files() {
        let path = victim.path(&file);
        let put: [(&str, &dyn Fn()); 5] = [
            ("removed", &|| ()),
            ("replaced by a folder", &|| fs::create_dir(&path).expect("a folder")),
            ("replaced by a fifo", &|| mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a fifo")),
            ("replaced by a link to another file", &|| symlink("/etc/passwd", &path).expect("a link")),
            // Its own bytes, but at a place that others may change after the check.
            ("replaced by a link to its bytes", &|| {
                fs::copy(victim.accepted.join(&file), &away).expect("a copy");
                symlink(&away, &path).expect("a link");
            }),
        ];
        for (what, put) in put {
            let replace = || {
                fs::remove_file(&path).expect("a file to remove");
                put();
            };
            victim.refuses_after(&format!("{file} {what}"), &[&file], replace, &[&file]);
        }
    }
    victim.expect_whole();
}

#[test]
fn any_file_added() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(sample());
    let genuine = victim.bytes("small.age");
    let files = [
        ("extra.age", "extra.age"),
        ("folder/extra.age", "folder/extra.age"),
        ("new/folder/extra.age", "new/folder/extra.age"),
        ("SMALL.age", "SMALL.age"),
        (".age", ".age"),
        ("line\nbreak.age", "line\\nbreak.age"),
        ("templates/extra.conf", "templates/extra.conf"),
    ];
    for (file, shown) in files {
        let path = victim.path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, &genuine).expect("an extra file");
        victim.refuses(file, &[&format!("{shown} is not in the lock")]);
        fs::remove_file(&path).expect("a file to remove");
    }
    let link = victim.path("folder/link");
    symlink("large.age", &link).expect("a link");
    victim.refuses("a link", &["folder/link is a symbolic link"]);
    fs::remove_file(link).expect("a link to remove");
    victim.expect_whole();
}

/// Each file as it was in the state before, alone, and all files but those that are signed.
#[test]
fn any_file_rolled_back() {
    if !machine::has(&NEEDS) {
        return;
    }
    let older = |text: &str| sample().and("other", format!("{CANARY} {text}"));
    let stand = Stand::of(older("one").public_file("note.txt", "older\n"));
    let before = stand.vault.beside("before");
    tree::copy(&stand.vault.path(), &before);
    stand.change(older("two"));
    let victim = Victim::on(stand);
    let changed = |file: &String| fs::read(before.join(file)).expect("an older file") != victim.bytes(file);
    let files: Vec<String> = victim.files().into_iter().filter(changed).collect();
    assert!(files.iter().any(|file| file.ends_with(".age")) && files.len() >= 3, "{files:?}");
    for file in &files {
        victim.refuses_with("rolled back", file, &fs::read(before.join(file)).expect("an older file"));
    }
    let signed = [LOCK_FILE, SIGNATURE_FILE];
    let back = || {
        for file in signed {
            fs::copy(before.join(file), victim.path(file)).expect("an older file");
        }
    };
    victim.refuses_after(
        "lock and signature rolled back",
        &signed,
        back,
        &["other.age is not what was signed"],
    );
    victim.expect_whole();
}
