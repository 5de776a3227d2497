//! One mount point, one monitor, one socket.

use std::{fs, thread};

use fixtures::{
    machine,
    mount::{MountPoint, wait_for},
    vault::Vault,
};

use crate::stand::{NEEDS, Stand};

#[test]
fn of_two_monitors_at_once_one_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("secret", "s").build();
    for _ in 0..5 {
        let place = MountPoint::new();
        let mounts = [(); 2].map(|()| place.mount(&vault)).map(|mount| thread::spawn(move || mount.run()));
        let mut ended = mounts.map(|mount| mount.join().expect("no panic"));
        ended.sort_by_key(|ended| ended.status);
        let [served, refused] = ended;
        assert_eq!((served.status, refused.status), (Some(0), Some(1)), "{served}\n{refused}");
        refused.explains_once("is busy");
        assert_eq!(fs::read(place.join("secret")).expect("a read"), b"s");
        assert_eq!(place.monitors().len(), 1);
        place.ask("status").succeeds();
        place.ask("unmount").succeeds();
        place.wait_until_unserved();
    }
}

/// The sockets of what is served below a folder of this test's own.
fn sockets(stand: &Stand) -> Vec<String> {
    let path = stand.place.path();
    let own = path.parent().and_then(|parent| parent.file_name()).expect("a folder").to_string_lossy();
    let own = own.trim_start_matches('.').to_owned();
    let names = fs::read_dir("/run/vaultd").expect("sockets").flatten();
    let names = names.map(|socket| socket.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(&own)).collect()
}

#[test]
fn unmounting_a_dead_mount_leaves_no_socket() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("secret", "s"));
    assert_eq!(sockets(&stand).len(), 1);
    stand.place.kill_monitor();
    stand.place.wait_until_dead();
    stand.place.ask("unmount").succeeds();
    assert_eq!(sockets(&stand), [""; 0]);

    // Nor does one that was alive.
    let stand = Stand::of(Vault::with("secret", "s"));
    stand.place.ask("unmount").succeeds();
    wait_for("the end of the socket", || sockets(&stand).is_empty());
}
