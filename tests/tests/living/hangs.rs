//! Servers, file systems and children that hang: whoever waits for them does not wait for ever, and nobody else
//! waits at all.

use std::{fs, thread, time::Duration};

use fixtures::{
    hanging::Hanging,
    machine::{self, Need::Program},
    mount::wait_for,
    vault::Vault,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::slowed::Slowed;
use crate::stand::{NEEDS, Stand, child_of, in_time};

/// Stops all threads of the server, which takes a moment.
fn stop_server(stand: &Stand) -> Pid {
    let server = stand.server().expect("a server");
    kill_process(server, Signal::STOP).expect("a stop");
    let threads = format!("/proc/{}/task", server.as_raw_nonzero());
    let is_stopped = |thread: fs::DirEntry| {
        fs::read_to_string(thread.path().join("status")).is_ok_and(|status| status.contains("\nState:\tT"))
    };
    wait_for("a stop", || fs::read_dir(&threads).is_ok_and(|threads| threads.flatten().all(is_stopped)));
    server
}

#[test]
fn a_server_that_is_stopped_is_replaced() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::with(Vault::with("secret", "s"), &["--resume-timeout", "2s"]);
    let path = stand.place.join("secret");
    for restarts in 1..4 {
        let server = stop_server(&stand);
        let path = path.clone();
        let read = in_time("a read", move || fs::read(path));
        assert_eq!(read.expect("a read"), b"s");
        assert_ne!(stand.server(), Some(server));
        wait_for("the next server", || stand.status()["server"]["restarts"] == restarts);
    }
    // Also while nobody asks for anything.
    let server = stop_server(&stand);
    wait_for("another server", || stand.server().is_some_and(|next| next != server));
}

#[test]
fn a_server_that_is_stopped_goes_with_its_monitor() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("secret", "s"));
    let server = stop_server(&stand);
    stand.place.kill_monitor();
    let stat = format!("/proc/{}/stat", server.as_raw_nonzero());
    let is_gone =
        || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")) || fs::metadata(&stat).is_err();
    wait_for("the end of the server", is_gone);
}

#[test]
fn a_server_that_never_comes_to_an_answer_is_replaced() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("strace")]) {
        return;
    }
    let stand = Stand::with(Vault::with("secret", "s"), &["--resume-timeout", "2s"]);
    let server = stand.server();
    // It reads requests, switches and speaks with its monitor as ever.
    let _slowed = Slowed::server_of(&stand, "writev:delay_enter=600000000");
    let path = stand.place.join("secret");
    assert_eq!(in_time("a read", move || fs::read(path)).expect("a read"), b"s");
    assert_ne!(stand.server(), server);
}

#[test]
fn a_server_that_works_is_not_replaced() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::with(Vault::with("secret", "s"), &["--resume-timeout", "1s"]);
    let server = stand.server();
    // Longer than one that is stopped would last.
    thread::sleep(Duration::from_secs(3));
    assert_eq!((stand.server(), &stand.status()["server"]["restarts"]), (server, &0.into()));
}

/// Status and files are there at once, and the monitor ends when it is told to.
fn assert_alive(stand: &Stand) {
    let place = stand.place.path();
    let status = stand.place.ask("status");
    in_time("status", move || status.succeeds());
    assert_eq!(in_time("a read", move || fs::read(place.join("secret"))).expect("a read"), b"s");
}

fn assert_ends(stand: &Stand) {
    stand.signal(Signal::TERM);
    wait_for("the end", || !stand.place.is_mounted() && stand.place.monitors().is_empty());
}

#[test]
fn a_vault_on_a_file_system_that_hangs_is_given_up() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("secret", "s"));
    let hanging = Hanging::over(&stand.vault.path());
    let reload = stand.reload();
    let reload = thread::spawn(move || reload.run());
    wait_for("an opener", || has_child(&stand, "opener"));
    assert_alive(&stand);
    let refused = reload.join().expect("no panic");
    assert_eq!(refused.status, Some(1));
    refused.explains_once("the opener has not answered within 20s");
    assert_alive(&stand);
    drop(hanging);
    stand.reload().succeeds();
    assert_ends(&stand);
}

#[test]
fn a_monitor_ends_while_its_vault_hangs() {
    if !machine::has(&NEEDS) {
        return;
    }
    // The folder, and a file in it, which another process reads.
    for (hangs, child) in [("", "opener"), ("secret.age", "verifier")] {
        let stand = Stand::of(Vault::with("secret", "s"));
        let hanging = Hanging::over(&stand.vault.path().join(hangs));
        let reload = stand.reload();
        let reload = thread::spawn(move || reload.run());
        wait_for("a child that hangs", || has_child(&stand, child));
        assert_alive(&stand);
        assert_ends(&stand);
        assert_eq!(reload.join().expect("no panic").status, Some(1));
        drop(hanging);
    }
}

#[test]
fn at_the_start_the_state_accepted_last_is_served_instead() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("secret", "s"));
    assert_ends(&stand);
    // Its keys are elsewhere.
    let keys = tempfile::tempdir().expect("a folder");
    let identity = keys.path().join("age.key");
    fs::copy(stand.vault.identity(), &identity).expect("a copy");
    let hanging = Hanging::over(&stand.vault.path());
    let (vault, signers) = (stand.vault.path(), stand.vault.signers());
    let mount = stand.place.mount_with(&vault, &identity, &signers);
    in_time("a mount", move || mount.succeeds()).says("has not answered within").says("FALLBACK");
    assert_alive(&stand);
    drop(hanging);
}

/// Whether the monitor has a child with this verb now.
fn has_child(stand: &Stand, verb: &str) -> bool {
    child_of(stand.monitor, verb).is_some()
}
