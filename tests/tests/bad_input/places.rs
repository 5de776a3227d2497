//! Mount points that cannot be mounted on.

use std::fs;

use fixtures::{
    command::{program, vaultd},
    machine,
    mount::MountPoint,
};

use crate::scene::{CANARY, NEEDS, Scene};

#[test]
fn missing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    fs::remove_dir(scene.place.path()).expect("a folder to remove");
    scene.refuses(scene.mount(), "does not exist");
}

#[test]
fn not_a_folder() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    fs::remove_dir(scene.place.path()).and_then(|()| fs::write(scene.place.path(), "")).expect("a file");
    scene.refuses(scene.mount(), "is not a directory");
}

#[test]
fn not_empty() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    fs::write(scene.place.join("file"), "").expect("a file");
    scene.refuses(scene.mount(), "is not empty");
}

#[test]
fn busy() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    program("mount").args(["-t", "tmpfs", "odbox-test"]).arg(scene.place.path()).succeeds();
    scene.refuses(scene.mount(), "is busy: tmpfs is mounted there");
}

/// Whoever mounts a second time disturbs nobody.
#[test]
fn busy_with_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    scene.mount().succeeds();
    scene.refuses(scene.mount(), "is busy");
    assert_eq!(scene.read("folder/other"), CANARY);
}

/// It is cleaned up, and no error.
#[test]
fn dead() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    scene.mount().succeeds();
    scene.place.kill_monitor();
    scene.mount().succeeds().says("detached a dead mount");
    assert_eq!(scene.read("folder/other"), CANARY);
}

#[test]
fn unmount_leaves_alone_what_is_not_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let place = MountPoint::new();
    vaultd().arg("unmount").arg(place.path()).exits(1).explains("nothing is mounted");
    vaultd().arg("unmount").arg(place.join("no")).exits(1).explains("cannot find");
    program("mount").args(["-t", "tmpfs", "odbox-test"]).arg(place.path()).succeeds();
    vaultd().arg("unmount").arg(place.path()).exits(1).explains("is not a vault: tmpfs is mounted there");
    assert!(place.is_mounted());
}
