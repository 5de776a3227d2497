//! Kernels that lack something: what is served is the same, and what is said of it is right.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    process::{Child, Stdio},
};

use fixtures::{
    command::{Run, vaultd},
    kernel::{before_resend, without},
    machine::{self, Need::Program},
    mount::{MountPoint, wait_for},
    vault::{Vault, VaultBuilder},
};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::stand::{LARGE, NEEDS, Stand, in_time, pattern};

fn state(number: u32) -> VaultBuilder {
    let unread = Vault::with("unread", pattern(number, 5000));
    unread.and("small", pattern(number, 5000)).and("large", pattern(number, LARGE))
}

/// What `check --features` says of one, where something is missing.
fn says(feature: &str, wrap: impl Fn(Run) -> Run) -> Value {
    let said = wrap(vaultd().args(["check", "--features", "--json"])).succeeds().output;
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    let found = said["features"].as_array().expect("a list").iter().find(|one| one["name"] == feature);
    found.expect("a feature")["holds"].clone()
}

/// A whole life: read, reload, death, and what was open all the while.
fn assert_serves(stand: &Stand) {
    let held = ["small", "large"].map(|name| File::open(stand.place.join(name)).expect(name));
    stand.change(state(2));
    stand.kill_server();
    for (file, length) in held.iter().zip([5000, LARGE]) {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0).expect("a read");
        assert!(bytes == pattern(1, length), "what was open stays what it was");
    }
    assert!(stand.read("small") == pattern(2, 5000) && stand.read("large") == pattern(2, LARGE));
}

fn serving_without(feature: &str) -> Stand {
    let (vault, place) = (state(1).build(), MountPoint::new());
    without(feature, place.mount(&vault)).succeeds();
    Stand::at(vault, place)
}

#[test]
fn without_landlock() {
    if !machine::has(&NEEDS) {
        return;
    }
    assert_eq!(says("landlock", |run| without("landlock", run)), false);
    assert_serves(&serving_without("landlock"));
}

#[test]
fn without_passthrough() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = serving_without("passthrough");
    assert_eq!(stand.status()["features"]["passthrough"], false, "the kernel refused it");
    assert_serves(&stand);
    assert_eq!(stand.status()["features"]["passthrough"], false);
}

#[test]
fn without_noswap() {
    if !machine::has(&NEEDS) {
        return;
    }
    assert_eq!(says("noswap", |run| without("noswap", run)), false);
    let stand = serving_without("noswap");
    assert_eq!(stand.status()["features"]["noswap"], false);
    let kept_in_memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", stand.monitor.as_raw_nonzero()));
        let status = status.expect("status");
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("VmLck");
        locked.split_whitespace().next().and_then(|size| size.parse::<usize>().ok()).expect("a size") * 1024
    };
    assert!(kept_in_memory() >= LARGE, "its memory is locked instead");
    assert_serves(&stand);
}

/// A mount in the foreground, which ends with the test.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        // It ends with its mount, or has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn before_linux_6_9() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("strace")]) {
        return;
    }
    let probe = || vaultd().args(["check", "--features"]);
    let (vault, place) = (state(1).build(), MountPoint::new());
    let folder = vault.beside("");
    for feature in ["resend", "passthrough"] {
        assert_eq!(says(feature, |run| before_resend(run, probe(), &folder)), false, "{feature}");
    }
    let mount = vaultd().args(["mount", "--vault"]).arg(vault.path()).arg("--identity").arg(vault.identity());
    let mount = mount.arg("--allowed-signers").arg(vault.signers()).arg("--state").arg(place.state());
    let mount = before_resend(mount.arg(place.path()), probe(), &folder);
    let mut mount = mount.command();
    let _mount = Foreground(mount.stdin(Stdio::null()).spawn().expect("a mount"));
    wait_for("the files", || place.join("small").exists());
    let stand = Stand::at(vault, place);
    let features = &stand.status()["features"];
    assert_eq!((&features["resend"], &features["passthrough"]), (&false.into(), &false.into()));
    assert!(stand.read("small") == pattern(1, 5000) && stand.read("large") == pattern(1, LARGE));
    stand.change(state(2));
    assert!(stand.read("small") == pattern(2, 5000) && stand.read("large") == pattern(2, LARGE));

    // What a killed server had in hand fails at once, since nobody could answer it, and the mount is made anew.
    let held = File::open(stand.place.join("unread")).expect("open");
    let server = stand.server().expect("a server");
    kill_process(server, Signal::KILL).expect("a kill");
    let late = in_time("a read of what is lost", move || held.read_at(&mut [0; 100], 0));
    assert!(late.is_err(), "what was open belongs to the mount that is gone");
    let path = stand.place.join("small");
    wait_for("a mount that works", || fs::read(&path).is_ok_and(|bytes| bytes == pattern(2, 5000)));
}
