//! Machines that lack what serving takes.

use std::{collections::BTreeSet, ffi::OsString, fs};

use fixtures::{
    command::{public_copy, vaultd},
    disk::Disk,
    machine::{self, Need::Program},
};

use crate::scene::{CANARY, NEEDS, Scene};

/// Somebody who owns nothing.
const NOBODY: u32 = 50_003;
/// Pages of a disk that holds what is accepted of a small vault, and little more.
const PAGES: u64 = 64;

#[test]
fn no_dev_fuse() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let hide = "mount -t tmpfs odbox-test /dev && exec \"$@\"";
    let mount = scene.mount_in_front().under(["unshare", "-m", "sh", "-c", hide, "sh"]);
    scene.refuses(mount, "cannot open /dev/fuse");
}

#[test]
fn not_root() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    for verb in ["mount", "check"] {
        let run = public_copy("vaultd", &scene.vault.beside("."));
        let run = run.args([verb, "--vault"]).arg(scene.vault.path()).arg(scene.place.path());
        scene.refuses(run.as_user(NOBODY), "only root can mount and unmount");
    }
    scene.mount().succeeds();
    for verb in ["reload", "status", "unmount"] {
        let run = public_copy("vaultd", &scene.vault.beside(".")).arg(verb).arg(scene.place.path());
        scene.refuses(run.as_user(NOBODY), "only root can mount and unmount");
    }
    assert_eq!(scene.read("folder/other"), CANARY);
}

#[test]
fn a_memory_lock_limit_that_is_too_low() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let low = [
        "setpriv",
        "--bounding-set=-ipc_lock,-sys_resource",
        "--inh-caps=-ipc_lock,-sys_resource",
        "prlimit",
        "--memlock=65536:65536",
    ];
    scene.refuses(scene.mount().under(low), "cannot lock the memory of this process against swapping");
    assert!(!scene.place.is_mounted());
    let weaker = scene.mount().arg("--allow-swappable").under(low).succeeds();
    weaker.says("warning: memory is not locked").tells_nothing_of(CANARY);
    assert_eq!(scene.read("folder/other"), CANARY);
}

/// A machine with a full `/var/lib`.
struct Full {
    scene: Scene,
    disk: Disk,
}

impl Full {
    /// With space on it, for now.
    fn soon() -> Self {
        let (mut scene, disk) = (Scene::new(), Disk::of_pages(PAGES));
        scene.state = disk.path().join("vaultd");
        Self { scene, disk }
    }
}

const FULL: &str = "cannot remember what this machine accepts";

#[test]
fn a_full_disk_at_the_first_mount() {
    if !machine::has(&NEEDS) {
        return;
    }
    let Full { scene, disk } = Full::soon();
    disk.leave_free(0);
    scene.refuses(scene.mount(), FULL);
    assert!(!scene.place.is_mounted());
    // Looking takes no space.
    scene.check().succeeds();
}

#[test]
fn a_full_disk_at_a_reload() {
    if !machine::has(&NEEDS) {
        return;
    }
    let Full { scene, disk } = Full::soon();
    scene.mount().succeeds();
    scene.next().build_upon(&scene.vault);
    disk.leave_free(0);
    scene.serves_on(FULL);
    disk.leave_free(PAGES / 2);
    scene.place.ask("reload").succeeds().says("changed token");
}

/// What was accepted before is remembered already, and one file too many is no reason to lock everybody out.
#[test]
fn a_full_disk_at_boot() {
    if !machine::has(&NEEDS) {
        return;
    }
    let Full { scene, disk } = Full::soon();
    scene.mount().succeeds();
    scene.shut_down();
    disk.leave_free(0);
    let booted = scene.mount().succeeds();
    booted.says(FULL).tells_nothing_of(CANARY);
    scene.expect_good();
    assert_eq!(scene.status()["fallback"], false);
    scene.shut_down();
    // A newer state could not be remembered, and a bad one is none.
    scene.next().build_upon(&scene.vault);
    scene.falls_back(FULL);
    scene.vault.damage("token.age");
    scene.falls_back("token.age is not what was signed");
}

/// The same for a disk that became read-only, as disks do when they fail.
#[test]
fn a_read_only_disk_at_boot() {
    if !machine::has(&NEEDS) {
        return;
    }
    let Full { scene, disk } = Full::soon();
    scene.mount().succeeds();
    scene.shut_down();
    disk.make_read_only();
    scene.mount().succeeds().says(FULL);
    scene.expect_good();
}

/// Where memory runs out, whoever loads a vault goes, and nobody else.
#[test]
fn too_little_memory() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("strace")]) {
        return;
    }
    let scene = Scene::new();
    let trace = scene.vault.beside("trace");
    let strace = ["strace", "-f", "-y", "-e", "trace=execve,write", "-o"];
    let words = strace.map(OsString::from).into_iter().chain([trace.clone().into_os_string()]);
    scene.check().under(words).succeeds();
    let trace = fs::read_to_string(trace).expect("a trace");
    let offered = trace.lines().filter(|line| line.contains("/oom_score_adj>, \"1000\""));
    let offered: BTreeSet<&str> = offered.filter_map(|line| line.split(' ').next()).collect();
    let started = |role: &str| {
        let word = format!("[\"vaultd\", \"{role}\"]");
        let line = trace.lines().find(|line| line.contains(&word)).expect(role);
        line.split(' ').next().expect("a process")
    };
    let expected = ["opener", "verifier", "resolver", "decryptor"].map(started);
    assert_eq!(offered, BTreeSet::from(expected));
    let score =
        |process: &str| fs::read_to_string(format!("/proc/{process}/oom_score_adj")).expect("a score");
    scene.mount().succeeds();
    let server = scene.status()["server"]["pid"].to_string();
    assert_eq!(score(&server), score("self"));
}

#[test]
fn wrong_usage_exits_with_2() {
    let wrong: [&[&str]; 4] =
        [&[], &["no-such-command"], &["mount", "--no-such-flag"], &["mount", "--vault", "a", "b", "c"]];
    for words in wrong {
        let refused = vaultd().args(words).exits(2);
        assert!(refused.output.is_empty(), "{refused}");
    }
}
