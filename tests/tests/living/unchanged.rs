//! What a reload does not read again, since nobody changed it: nothing else may come of that.

use std::{
    fs::{self, File, FileTimes},
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use fixtures::{
    command::vaultgen,
    machine,
    mount::{MountPoint, wait_for},
    vault::{Vault, VaultBuilder},
};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use vault_format::{VaultFiles, VaultFolder};

use crate::stand::{NEEDS, Stand, pattern};

/// Waits until a later change of the vault's files shows in their times, and has what is known of them renewed.
fn settle(vault: &Vault, place: &MountPoint) {
    let folder = VaultFolder::open(&vault.path()).expect("a vault");
    let trusted = folder.stamp("vault.lock").is_some();
    assert!(
        trusted,
        "the times of this file system say nothing: set TMPDIR to a folder on ext4, XFS, Btrfs or tmpfs"
    );
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let last = folder.entries().expect("a listing").into_iter();
    let last = last.map(|entry| fs::metadata(folder.join(&entry.path)).expect("stat").ctime()).max();
    wait_for("the clock", || i64::try_from(now()).expect("a time") > last.expect("a file") + 2);
    place.ask("reload").succeeds();
}

/// Tells whether a file is opened.
struct Watch(OwnedFd);

impl Watch {
    fn on(path: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).expect("inotify");
        inotify::add_watch(&watch, path, WatchFlags::OPEN).expect("a watch");
        Self(watch)
    }

    fn was_opened(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 4096]).is_ok()
    }
}

fn state(changed: u32) -> VaultBuilder {
    Vault::with("same", "s").and("folder/same", "f").and("changed", pattern(changed, 1000))
}

/// Inverts a byte where it is, and hides that as well as anybody can.
fn flip_in_secret(path: &Path) {
    let file = File::options().read(true).write(true).open(path).expect("a file");
    let times = file.metadata().expect("stat");
    let times = FileTimes::new()
        .set_modified(times.modified().expect("a time"))
        .set_accessed(times.accessed().expect("a time"));
    let (mut byte, middle) = ([0], file.metadata().expect("stat").len() / 2);
    file.read_exact_at(&mut byte, middle).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], middle).expect("another byte");
    file.set_times(times).expect("the times that it had");
}

#[test]
fn what_was_not_changed_is_not_read() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    settle(&stand.vault, &stand.place);
    state(1).build_upon(&stand.vault);
    let watches = ["same", "folder/same", "changed"]
        .map(|name| Watch::on(&stand.vault.path().join(format!("{name}.age"))));
    assert_eq!(stand.reload().succeeds().text(), "changed changed\n");
    assert_eq!(watches.each_ref().map(Watch::was_opened), [false, false, true]);
    assert_eq!(stand.read("changed"), pattern(1, 1000));
    assert_eq!(stand.read("folder/same"), b"f");
}

#[test]
fn a_byte_is_found_whatever_the_times_say() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    let path = stand.vault.path().join("folder/same.age");
    for change in [false, true] {
        settle(&stand.vault, &stand.place);
        let before = stand.status()["generation"].clone();
        if change {
            state(1).build_upon(&stand.vault);
        }
        flip_in_secret(&path);
        stand.reload().exits(1).explains("folder/same.age");
        stand.reload().arg("--dry-run").exits(1).explains("folder/same.age");
        assert_eq!(stand.status()["generation"], before);
        assert_eq!(stand.read("folder/same"), b"f");
        assert_eq!(stand.read("changed"), pattern(0, 1000));
        flip_in_secret(&path);
    }
    assert_eq!(stand.reload().succeeds().text(), "changed changed\n");
}

#[test]
fn files_that_change_places_are_found() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    settle(&stand.vault, &stand.place);
    let path = |name: &str| stand.vault.path().join(name);
    let swap = || {
        fs::rename(path("same.age"), path("other")).expect("a move");
        fs::rename(path("folder/same.age"), path("same.age")).expect("a move");
        fs::rename(path("other"), path("folder/same.age")).expect("a move");
    };
    swap();
    let refused = stand.reload().exits(1);
    refused.explains("folder/same.age");
    refused.explains("same.age");
    swap();
    assert_eq!(stand.reload().succeeds().text(), "nothing changed\n");
    // Nor is a link what it leads to.
    fs::rename(path("folder"), path("elsewhere")).expect("a move");
    std::os::unix::fs::symlink("elsewhere", path("folder")).expect("a link");
    stand.reload().exits(1).explains("folder");
}

/// The identities of a machine may change too.
#[test]
fn another_identity_gets_what_nobody_has_read_again() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("token", "t").and("web", "w").build().trusted();
    let run = |words: &[&str]| vaultgen().arg("--vault").arg(vault.path()).args(words).succeeds();
    run(&["machine", "add", "web-1", "--profile", "none"]);
    run(&["grant", "web", "web-1"]);
    let (place, identity) = (MountPoint::new(), vault.beside("identity"));
    fs::copy(vault.path().join("machines/web-1.key"), &identity).expect("an identity");
    place.mount_with(&vault.path(), &identity, &vault.signers()).succeeds();
    settle(&vault, &place);
    assert!(!place.join("token").exists());
    let token = Watch::on(&vault.path().join("token.age"));
    fs::copy(vault.identity(), &identity).expect("an identity");
    assert_eq!(place.ask("reload").succeeds().text(), "added token\n");
    assert!(token.was_opened());
    assert_eq!(fs::read(place.join("token")).expect("a secret"), b"t");
    assert_eq!(fs::read(place.join("web")).expect("a secret"), b"w");
}

/// A machine that cannot load the vault's folder serves what it accepted last, of whatever pieces the copy is made.
#[test]
fn what_a_machine_falls_back_to_has_all_of_the_last_state() {
    if !machine::has(&NEEDS) {
        return;
    }
    // Much of it stays, so that what changes is little.
    let state = |number| state(number).and("stays", pattern(9, 60_000));
    let stand = Stand::of(state(0).and("gone", "g"));
    settle(&stand.vault, &stand.place);
    let copy = copy_of(&stand);
    let whole = fs::metadata(&copy).expect("a copy");
    for number in 1..4 {
        stand.change(state(number).and(&format!("new/{number}"), number.to_string()));
    }
    let grown = fs::metadata(&copy).expect("a copy");
    assert!(grown.len() > whole.len(), "{} bytes", grown.len());
    assert_eq!(grown.ino(), whole.ino(), "it was written anew");
    stand.reload().succeeds();
    assert_eq!(fs::metadata(&copy).expect("a copy").len(), grown.len(), "nothing is new");

    stand.place.ask("unmount").succeeds();
    stand.vault.damage("same.age");
    stand.place.mount(&stand.vault).succeeds().explains("FALLBACK");
    for (name, bytes) in [("same", b"s".to_vec()), ("changed", pattern(3, 1000)), ("new/3", b"3".to_vec())] {
        assert_eq!(stand.read(name), bytes, "{name}");
    }
    for gone in ["gone", "new/1", "new/2"] {
        assert!(!stand.place.join(gone).exists(), "{gone}");
    }
}

/// However often it grows, it is not much longer than a whole one.
#[test]
fn the_copy_does_not_grow_for_ever() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state(0));
    settle(&stand.vault, &stand.place);
    let copy = copy_of(&stand);
    let whole = fs::metadata(&copy).expect("a copy");
    let mut longest = whole.len();
    let renewed = (1..12).any(|number| {
        stand.change(state(number));
        let now = fs::metadata(&copy).expect("a copy");
        longest = longest.max(now.len());
        now.ino() != whole.ino()
    });
    assert!(renewed, "it only grew");
    assert!(longest <= 3 * whole.len(), "{longest} bytes, of {}", whole.len());
}

fn copy_of(stand: &Stand) -> std::path::PathBuf {
    let folder = fs::read_dir(stand.place.state()).expect("a state").next().expect("a mount point");
    folder.expect("a folder").path().join("good.tar")
}
