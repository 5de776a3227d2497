//! Identities that are not there, do not fit, or are not kept well.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use fixtures::{machine, vault::Vault};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::scene::{NEEDS, Scene, bad_identity};

/// Takes the file away, and puts something else there.
fn instead(put: impl Fn(&Path)) -> impl Fn(&Path) {
    move |identity| {
        fs::remove_file(identity).expect("an identity to remove");
        put(identity);
    }
}

#[test]
fn no_identity() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_identity(instead(|_| ()), "there is no such key file");
}

#[test]
fn a_wrong_identity() {
    if !machine::has(&NEEDS) {
        return;
    }
    let other = Vault::with("token", "x").build();
    let wrong = |identity: &Path| fs::copy(other.identity(), identity).map(drop).expect("an identity");
    bad_identity(wrong, "can decrypt nothing in this vault");
}

/// Root reads whatever can be read at all.
#[test]
fn an_unreadable_key_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_identity(instead(|path| fs::create_dir(path).expect("a folder")), "it is no key file");
    bad_identity(instead(|path| symlink("/dev/zero", path).expect("a link")), "it is no key file");
    bad_identity(
        instead(|path| symlink("/nowhere/at/all", path).expect("a link")),
        "there is no such key file",
    );
    bad_identity(instead(|path| symlink(path, path).expect("a link")), "machine.key: Too many levels");
    let fifo = |path: &Path| mkfifoat(CWD, path, Mode::RUSR).expect("a fifo");
    bad_identity(instead(fifo), "it is no key file");
}

#[test]
fn an_identity_that_others_can_read() {
    if !machine::has(&NEEDS) {
        return;
    }
    for mode in [0o604, 0o640, 0o602, 0o777] {
        let expose = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
        };
        bad_identity(expose, "this identity can be read by others");
    }
}

#[test]
fn a_key_file_that_holds_no_key() {
    if !machine::has(&NEEDS) {
        return;
    }
    let texts = [
        (String::new(), "it holds no key"),
        ("AGE-SECRET-KEY-1BROKEN\n".to_owned(), "line 1 is no age identity"),
        (format!("# mine\nAGE-SECRET-KEY-1{}\n", "Q".repeat(58)), "line 2 is no age identity"),
        ("#\n".repeat(100_000), "it is no key file"),
    ];
    for (text, error) in texts {
        bad_identity(|path| fs::write(path, &text).expect("a key file"), error);
    }
}

/// One of several that is missing is no reason to serve less in silence.
#[test]
fn one_of_several_that_is_not_there() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let missing = scene.mount().arg("--identity").arg(scene.vault.beside("no"));
    scene.refuses(missing, "there is no such key file").explains_once("there is no such key file");
}
