//! `vaultd mount`: the files of a vault, for those who may read them.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::Path,
    thread,
};

use fixtures::{
    caller::Caller,
    command::{program, vaultd},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    tree,
    vault::Vault,
};
use nix::{errno::Errno, unistd::Group};

const NEEDS: [Need; 4] = [Root, Fuse, Program("age"), Program("umount")];
const OWNER: u32 = 50_001;
const GROUP: u32 = 50_002;
const OTHER: u32 = 50_003;
/// Three chunks of an age file, and a part of one.
const LARGE: usize = 3 * 65_536 + 12_345;

/// Bytes of which no two stretches are alike.
fn pattern(length: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|number| number.wrapping_mul(0x9E37_79B9).to_le_bytes());
    words.take(length).collect()
}

fn served(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let nodes = tree::snapshot(root).into_iter();
    let files = nodes.filter(|(path, _)| root.join(path).is_file());
    files.map(|(path, node)| (path.to_str().expect("UTF-8").to_owned(), node.bytes)).collect()
}

#[test]
fn serves_exactly_what_age_decrypts() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let place = MountPoint::serving(&vault);
    // Readable the moment the command has returned: no wait here.
    let mut files = served(&place.path());
    let configuration = files.remove("odoo/admin.conf").expect("a template");
    let password = vault.open_text("passwords/odoo-admin.txt");
    assert!(
        configuration == format!("[options]\nadmin_passwd = {password}\n").into_bytes(),
        "odoo/admin.conf"
    );
    assert_eq!(files.keys().cloned().collect::<Vec<_>>(), vault.names());
    // Where there is no group nginx, root's group does not stand in for it.
    let certificate = if Group::from_name("nginx").expect("groups").is_some() { 0o444 } else { 0o404 };
    for (name, bytes) in files {
        assert!(bytes == vault.open(&name), "{name} has other bytes");
        let metadata = fs::metadata(place.join(&name)).expect("metadata");
        assert_eq!(metadata.len(), bytes.len() as u64, "{name}");
        let expected = if name.ends_with("-cert.pem") { certificate } else { 0o400 };
        assert_eq!(metadata.mode() & 0o7777, expected, "{name}");
    }
}

#[test]
fn serves_the_snake_oil_vault_where_that_is_allowed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::copy_of(&fixtures::vault::snake_oil());
    let place = MountPoint::new();
    place.mount(&vault).arg("--allow-snakeoil").succeeds();
    for name in ["root", "admin", "odoo-admin", "pgadmin-admin"] {
        let password = fs::read(place.join(&format!("passwords/{name}.txt"))).expect("a password");
        assert_eq!(password, b"abc123", "{name}");
    }
}

#[test]
fn an_owner_that_does_not_exist_leaves_the_file_to_root() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("secret", "x").readable("odboxtestnobody", "odboxtestnobody", "0440").build();
    let place = MountPoint::new();
    let mounted = place.mount(&vault).succeeds();
    assert!(mounted.errors.contains("odboxtestnobody"), "{mounted}");
    let metadata = fs::metadata(place.join("secret")).expect("metadata");
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (0, 0, 0o400));
}

/// Who may read what: the rows are files, the columns callers.
#[test]
fn each_file_opens_for_those_whom_the_policy_names() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (owner, group) = (OWNER.to_string(), GROUP.to_string());
    let vault = Vault::with("owner", "o")
        .readable(&owner, &group, "0400")
        .and("group", "g")
        .readable(&owner, &group, "0440")
        .and("group-alone", "a")
        .readable("root", &group, "0040")
        .and("world", "w")
        .readable(&owner, &group, "0444")
        .and("deep/in/folders", "d")
        .readable(&owner, &group, "0400")
        .and("default", "r")
        .build();
    let place = MountPoint::serving(&vault);
    let callers = [
        Caller::user(0),
        Caller::user(OWNER),
        Caller::user(OTHER).member_of(GROUP),
        Caller::user(GROUP),
        Caller::user(OTHER),
    ];
    let table = [
        ("owner", [true, true, false, false, false]),
        ("group", [true, true, true, true, false]),
        ("group-alone", [true, false, true, true, false]),
        ("world", [true, true, true, true, true]),
        ("deep/in/folders", [true, true, false, false, false]),
        ("default", [true, false, false, false, false]),
    ];
    for (name, expected) in table {
        let path = place.join(name);
        let seen = callers.each_ref().map(|caller| match caller.run(|| fs::read(&path)) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Err(error) => panic!("{name} for {caller:?}: {error}"),
        });
        assert_eq!(seen, expected, "{name}");
    }
}

/// A call that would change something, tried on a file system.
type Attempt = fn(&Path) -> io::Result<()>;

const ATTEMPTS: [(&str, Attempt); 9] = [
    ("open to write", |root| OpenOptions::new().write(true).open(root.join("file")).map(drop)),
    ("truncate", |root| OpenOptions::new().write(true).truncate(true).open(root.join("file")).map(drop)),
    ("create", |root| File::create_new(root.join("new")).map(drop)),
    ("make a folder", |root| fs::create_dir(root.join("new"))),
    ("rename", |root| fs::rename(root.join("file"), root.join("new"))),
    ("change the mode", |root| fs::set_permissions(root.join("file"), Permissions::from_mode(0o777))),
    ("change the owner", |root| std::os::unix::fs::chown(root.join("file"), Some(1), Some(1))),
    ("remove", |root| fs::remove_file(root.join("file"))),
    ("link", |root| fs::hard_link(root.join("file"), root.join("new"))),
];

#[test]
fn refuses_changes_as_a_tmpfs_mounted_read_only_does() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("mount")]) {
        return;
    }
    let vault = Vault::with("file", "bytes").readable("0", "0", "0400").build();
    let place = MountPoint::serving(&vault);
    let model = MountPoint::new();
    program("mount").args(["-t", "tmpfs", "odbox-test"]).arg(model.path()).succeeds();
    fs::write(model.join("file"), "bytes").expect("a file");
    fs::set_permissions(model.join("file"), Permissions::from_mode(0o400)).expect("chmod");
    fs::set_permissions(model.path(), Permissions::from_mode(0o711)).expect("chmod");
    program("mount").args(["-o", "remount,ro"]).arg(model.path()).succeeds();
    for caller in [Caller::user(0), Caller::user(OTHER)] {
        for (what, attempt) in ATTEMPTS {
            let errno = |root: &Path| caller.run(|| attempt(root)).map_err(|error| error.raw_os_error());
            let (ours, theirs) = (errno(&place.path()), errno(&model.path()));
            assert!(ours.is_err(), "{what} by {caller:?} was done");
            assert_eq!(ours, theirs, "{what} by {caller:?}");
        }
    }
}

#[test]
fn many_readers_at_once_see_correct_bytes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let bytes = pattern(LARGE);
    let vault = Vault::with("large", bytes.clone()).and("small", "s").and("empty", "").build();
    let place = MountPoint::serving(&vault);
    thread::scope(|scope| {
        for reader in 0..64_usize {
            let (bytes, place) = (&bytes, &place);
            scope.spawn(move || {
                let mut file = File::open(place.join("large")).expect("a file");
                let start = reader * LARGE / 64;
                let mut part = vec![0; 5000.min(LARGE - start)];
                file.read_exact_at(&mut part, start as u64).expect("a part");
                assert!(part == bytes[start..start + part.len()], "reader {reader} saw other bytes");
                file.seek(SeekFrom::Start(0)).expect("a seek");
                let mut whole = Vec::new();
                file.read_to_end(&mut whole).expect("the whole");
                assert!(whole == *bytes, "reader {reader} saw other bytes");
                assert_eq!(fs::read(place.join("small")).expect("a file"), b"s");
                assert_eq!(fs::read(place.join("empty")).expect("a file"), b"");
            });
        }
    });
}

#[test]
fn unmount_takes_the_files_and_the_server_away() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("file", "bytes").build();
    let place = MountPoint::serving(&vault);
    assert_eq!(place.monitors().len(), 1);
    vaultd().arg("unmount").arg(place.path()).succeeds();
    assert!(!place.is_mounted());
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
    place.wait_until_unserved();
    vaultd().arg("unmount").arg(place.path()).exits(1).says("nothing is mounted");
}

#[test]
fn a_file_that_is_open_stays_readable_after_unmount() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("file", "bytes").build();
    let place = MountPoint::serving(&vault);
    let mut file = File::open(place.join("file")).expect("a file");
    vaultd().arg("unmount").arg(place.path()).succeeds();
    let mut text = String::new();
    file.read_to_string(&mut text).expect("bytes");
    assert_eq!(text, "bytes");
    drop(file);
    place.wait_until_unserved();
}

#[test]
fn a_dead_mount_is_cleaned_up_by_the_next_one() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("file", "bytes").build();
    let place = MountPoint::serving(&vault);
    place.kill_monitor();
    place.wait_until_dead();
    let dead = fs::read(place.join("file")).expect_err("nobody serves it");
    // Whoever asks while the server is still dying is told that it went away meanwhile.
    let gone = [Errno::ENOTCONN, Errno::ECONNABORTED].map(|errno| Some(errno as i32));
    assert!(gone.contains(&dead.raw_os_error()), "{dead}");
    place.mount(&vault).succeeds().says("detached a dead mount");
    assert_eq!(fs::read(place.join("file")).expect("a file"), b"bytes");
}

#[test]
fn a_mount_whose_server_is_dying_counts_as_dead() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("file", "bytes").build();
    let place = MountPoint::serving(&vault);
    for _ in 0..10 {
        place.kill_monitor();
        place.mount(&vault).succeeds().says("detached a dead mount");
    }
    place.kill_monitor();
    vaultd().arg("unmount").arg(place.path()).succeeds();
    assert!(!place.is_mounted());
}

#[test]
fn unmount_cleans_up_a_dead_mount() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("file", "bytes").build();
    let place = MountPoint::serving(&vault);
    place.kill_monitor();
    vaultd().arg("unmount").arg(place.path()).succeeds();
    assert!(!place.is_mounted());
}

#[test]
fn serves_what_an_identity_among_several_can_open() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (vault, other) = (Vault::with("file", "bytes").build(), Vault::with("file", "else").build());
    let place = MountPoint::new();
    place.mount(&vault).arg("--identity").arg(other.identity()).succeeds();
    assert_eq!(fs::read(place.join("file")).expect("a file"), b"bytes");
}
