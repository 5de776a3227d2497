//! What must simply work, unlikely as it is.

use std::{
    env, fs,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use fixtures::{
    command::program,
    machine::{self, Need::Program},
    vault::{Vault, VaultBuilder},
};

use crate::scene::{CANARY, NEEDS, Scene};

#[test]
fn several_identities_of_which_one_fits() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let others = ["x", "y"].map(|text| Vault::with("token", text).build());
    let [one, other] = others.each_ref().map(Vault::identity);
    for order in [[&scene.identity, &one, &other], [&one, &other, &scene.identity]] {
        let mount = order
            .into_iter()
            .fold(scene.mount_without_identity(), |run, path| run.arg("--identity").arg(path));
        mount.succeeds();
        scene.expect_good();
        scene.shut_down();
    }
}

/// `ODBOX_SECRETS=100000` makes and serves so many, which takes minutes unless everything is optimised.
#[test]
fn a_vault_of_very_many_secrets() {
    if !machine::has(&NEEDS) {
        return;
    }
    let count: usize = env::var("ODBOX_SECRETS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let name = |number: usize| format!("many/{:03}/{number:06}", number % 500);
    let state = |first: &str| {
        let start = VaultBuilder::default().and(&name(0), first);
        (1..count).fold(start, |vault, number| vault.and(&name(number), format!("{CANARY} {number}")))
    };
    let scene = Scene::of(state("first"));
    scene.mount().succeeds();
    assert_eq!(scene.status()["secrets"], count);
    for number in (1..count).step_by(1.max(count / 1_000)).chain([count - 1]) {
        assert_eq!(scene.read(&name(number)), format!("{CANARY} {number}"));
    }
    scene.place.ask("reload").succeeds().says("nothing changed");
    scene.vault.damage(&format!("{}.age", name(count - 1)));
    scene.refuses(scene.place.ask("reload"), &format!("{}.age is not what was signed", name(count - 1)));
    assert_eq!(scene.read(&name(0)), "first");
}

/// As long as a secret may be, and of bytes that tell their place. It takes 5 GiB of memory and a minute or two.
#[test]
#[ignore = "takes 5 GiB of memory and minutes: run it with --ignored"]
fn a_secret_of_1_gib() {
    if !machine::has(&NEEDS) {
        return;
    }
    let length = vault_format::cipher::MAX_PLAINTEXT;
    let place = |at: usize| u32::try_from(at / 4).expect("a place").to_le_bytes()[at % 4];
    let scene = Scene::of(Vault::with("huge", (0..length).map(place).collect::<Vec<u8>>()));
    scene.mount().succeeds();
    let file = File::open(scene.place.join("huge")).expect("a file");
    assert_eq!(file.metadata().expect("stat").len(), length as u64);
    let mut part = vec![0; 1 << 20];
    for start in (0..length).step_by(part.len()) {
        file.read_exact_at(&mut part, start as u64).expect("a part");
        assert!(part.iter().enumerate().all(|(at, byte)| *byte == place(start + at)), "at {start}");
    }
    scene.place.ask("reload").succeeds().says("nothing changed");
}

/// From before any clock of a computer, as a signer with a wrong clock writes them.
#[test]
fn times_before_1970() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let lock = scene.vault.lock();
    scene.vault.sign_lock(&lock.replace("rotated = 20", "rotated = 19"));
    scene.mount().succeeds();
    scene.expect_good();
    let modified = fs::metadata(scene.place.join("token")).expect("stat").modified().expect("a time");
    assert_eq!(modified, SystemTime::UNIX_EPOCH);
}

/// A library that tells every program which starts with it that it is 1970.
const CLOCK: &str = r#"#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) { now->tv_sec = 42; }
    return status;
}
"#;

fn clock_of_1970(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, CLOCK).expect("a source");
    program("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").succeeds();
    library
}

/// All processes of vaultd start with that library: of the machine's own `/etc`, as they alone see it.
#[test]
fn a_clock_in_1970() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("cc"), Program("date")]) {
        return;
    }
    let scene = Scene::new();
    let library = clock_of_1970(&scene.vault.beside("."));
    let script = r#"set -e
library=$1 place=$2; shift 2
mount -t tmpfs odbox-test /mnt && mkdir /mnt/upper /mnt/work
mount -t overlay odbox-test -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
echo "$library" > /etc/ld.so.preload
date -u +%Y
"$@"
cat "$place/token"; echo
"$1" reload "$place"
"$1" status "$place"
"$1" unmount "$place"
"#;
    let run = scene.mount().under(
        ["unshare", "-m", "sh", "-c", script, "sh"]
            .map(String::from)
            .into_iter()
            .chain([library.display().to_string(), scene.place.path().display().to_string()]),
    );
    let ran = run.succeeds();
    let said = ran.text();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["1970", &format!("{CANARY} of the token"), "nothing changed"], "{ran}");
    let accepted = program("grep").args(["-r", "1970-01-01T00:00:42Z"]).arg(&scene.state).succeeds();
    accepted.says("accepted.json");
    // And what was accepted then is what was accepted last today.
    scene.place.wait_until_unserved();
    scene.mount().succeeds();
    scene.expect_good();
}
