//! `record = "off"`: the kernel opens files alone, and nothing else is different.

use std::fs::{self, File};

use fixtures::{
    machine,
    mount::{MountPoint, wait_for, whole},
    vault::{Vault, VaultBuilder},
};
use rustix::process::{Signal, kill_process};

use crate::stand::{LARGE, NEEDS, Stand, in_time, pattern};

fn state(number: u32) -> VaultBuilder {
    Vault::with("same", "s").and("changed", pattern(number, 1000)).and("large", pattern(number, LARGE))
}

/// Requests wait for a stopped server as long as they must.
fn stand() -> Stand {
    let (vault, place) = (state(1).build(), MountPoint::new());
    let settings = vault.beside("vaultd.toml");
    fs::write(&settings, "record = \"off\"\nresume-timeout = \"60s\"\n").expect("settings");
    place.mount(&vault).arg("--config").arg(&settings).succeeds();
    Stand::at(vault, place)
}

#[test]
fn a_file_is_opened_without_a_server() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = stand();
    let before = ["same", "changed", "large"].map(|name| stand.read(name));
    let server = stand.server().expect("a server");
    kill_process(server, Signal::STOP).expect("a signal");
    let place = stand.place.path();
    let now = in_time("opening", move || {
        ["same", "changed", "large"].map(|name| fs::read(place.join(name)).expect(name))
    });
    kill_process(server, Signal::CONT).expect("a signal");
    assert!(before == now);
}

#[test]
fn what_is_open_keeps_its_bytes_and_what_is_not_goes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = stand();
    let objects = stand.objects().len();
    let held = ["changed", "large"].map(|name| File::open(stand.place.join(name)).expect(name));
    for round in 2..=6 {
        // Known to the kernel, and open to nobody.
        assert_eq!(stand.read("changed"), pattern(round - 1, 1000));
        stand.change(state(round));
        if round % 2 == 0 {
            stand.kill_server();
        }
        assert_eq!(stand.read("changed"), pattern(round, 1000));
        assert_eq!(stand.read("large"), pattern(round, LARGE));
        assert_eq!(whole(&held[0]).expect("held"), pattern(1, 1000), "round {round}");
        assert_eq!(whole(&held[1]).expect("held"), pattern(1, LARGE), "round {round}");
    }
    drop(held);
    stand.change(state(7));
    wait_for("the end of what is open to nobody", || stand.objects().len() == objects);
    assert_eq!(stand.read("large"), pattern(7, LARGE));
}
