//! `vaultd mount --unsigned`: a vault of Odoo Box as it is, until it is adopted.

use std::{fs, os::unix::fs::symlink, path::Path};

use fixtures::{
    command::{Run, program, vaultd, vaultgen},
    legacy::{self, LegacyVault},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    tree, vault,
};

const NEEDS: [Need; 4] = [Root, Fuse, Program("mount"), Program("unshare")];

fn can_run() -> bool {
    machine::has(&NEEDS) && machine::has(&legacy::NEEDS)
}

/// In the background.
fn mount(vault: &Path, key: &Path, place: &MountPoint) -> Run {
    let run = vaultd().args(["mount", "--unsigned", "--background", "--vault"]).arg(vault);
    run.arg("--identity").arg(key).arg(place.path())
}

fn of(vault: &LegacyVault, place: &MountPoint) -> Run {
    mount(&vault.path(), &vault.file("age.key"), place)
}

fn small() -> LegacyVault {
    let vault = LegacyVault::empty();
    vault.seal("passwords/root.yesc", "the-Hash-of-root\n");
    vault.seal("passwords/odoo-admin", "the-Odd-one");
    vault
}

#[test]
fn every_file_is_served_as_it_is_and_all_is_said_to_be_unverified() {
    if !can_run() {
        return;
    }
    let vault = LegacyVault::full();
    let place = MountPoint::new();
    let mounted = of(&vault, &place).succeeds();
    mounted.says("warning: UNSIGNED: nothing in ").says("vaultgen adopt");
    let files: Vec<_> = tree::snapshot(&vault.path()).into_keys().collect();
    let sealed = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "age"));
    let sealed: Vec<_> = sealed.map(|path| path.with_extension("")).collect();
    assert_eq!(sealed.len(), 16);
    for name in &sealed {
        let served = fs::read(place.path().join(name)).expect("a served file");
        let plaintext = fs::read(vault.path().join(name)).expect("plaintext");
        assert_eq!(served, plaintext, "{}", name.display());
        mounted.tells_nothing_of(&String::from_utf8_lossy(&plaintext));
    }
    let served = tree::snapshot(&place.path()).into_keys().filter(|path| place.path().join(path).is_file());
    assert_eq!(served.count(), sealed.len());
    vaultd().arg("unmount").arg(place.path()).succeeds();
}

/// Users of these names are seen only here, in a mount namespace with another password database.
const USERS: &str = r#"
set -e
printf 'root:x:0:0::/:/bin/sh\nodoo:x:50011:50011::/:/bin/sh\npgadmin:x:50012:50012::/:/bin/sh\nnginx:x:50013:50013::/:/bin/sh\n' >"$1/passwd"
printf 'root:x:0:\nodoo:x:50011:\npgadmin:x:50012:\nnginx:x:50013:\n' >"$1/group"
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
place=$2
shift 2
"$@" >&2
cd "$place"
find . -type f -exec stat -c '%U %G %a %n' {} + | sort -k 4
cd /
umount "$place"
"#;

#[test]
fn owners_are_those_of_odoo_box() {
    if !can_run() {
        return;
    }
    let vault = LegacyVault::full();
    vault.seal("passwords/pgadmin-admin", "an odd spelling beside the one of today");
    let place = MountPoint::new();
    let under = ["unshare", "-m", "--propagation", "private", "sh", "-c", USERS, "sh"].map(str::to_owned);
    let folders = [vault.beside("."), place.path()].map(|path| path.display().to_string());
    let listed = of(&vault, &place).under(under.into_iter().chain(folders)).succeeds().text();
    let expected = "\
nginx nginx 400 ./certs/localhost-cert.pem
nginx nginx 400 ./certs/localhost-key.pem
nginx nginx 400 ./certs/vault-ca-cert.pem
nginx nginx 400 ./certs/vault-ca-key.pem
root root 400 ./passwords/admin.sha512
root root 400 ./passwords/admin.txt
root root 400 ./passwords/admin.yesc
odoo odoo 400 ./passwords/odoo-admin.sha512
odoo odoo 400 ./passwords/odoo-admin.txt
odoo odoo 400 ./passwords/odoo-admin.yesc
pgadmin pgadmin 400 ./passwords/pgadmin-admin
pgadmin pgadmin 400 ./passwords/pgadmin-admin.sha512
pgadmin pgadmin 400 ./passwords/pgadmin-admin.txt
pgadmin pgadmin 400 ./passwords/pgadmin-admin.yesc
root root 400 ./passwords/root.sha512
root root 400 ./passwords/root.txt
root root 400 ./passwords/root.yesc
";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&listed), sorted(expected));
}

#[test]
fn the_odd_spelling_is_served_under_both_names() {
    if !can_run() {
        return;
    }
    let (vault, place) = (small(), MountPoint::new());
    of(&vault, &place).succeeds();
    for name in ["passwords/odoo-admin", "passwords/odoo-admin.txt"] {
        assert_eq!(fs::read(place.join(name)).expect("a served file"), b"the-Odd-one", "{name}");
    }
}

#[test]
fn what_is_encrypted_to_others_is_named_and_not_served() {
    if !can_run() {
        return;
    }
    let (vault, place) = (small(), MountPoint::new());
    let other = LegacyVault::empty();
    other.seal("passwords/root.txt", "of somebody else");
    fs::copy(other.file("passwords/root.txt.age"), vault.file("passwords/root.txt.age")).expect("a copy");
    of(&vault, &place).succeeds().says("passwords/root.txt is encrypted to other keys, and is not served");
    assert!(!place.join("passwords/root.txt").exists() && place.join("passwords/root.yesc").exists());
}

/// Something that is done to the vault, and what is said of it.
type Refusal = (fn(&LegacyVault), &'static str);

#[test]
fn signed_and_hostile_vaults_are_refused() {
    if !can_run() {
        return;
    }
    let refusals: [Refusal; 11] = [
        (|vault| vault.put("vault.toml", "version = 1\n"), "this is part of a signed vault"),
        (|vault| vault.put("vault.lock", ""), "this is part of a signed vault"),
        (|vault| vault.put("vault.lock.sig", ""), "this is part of a signed vault"),
        (
            |vault| symlink("nowhere", vault.file("vault.toml")).expect("a link"),
            "this is part of a signed vault",
        ),
        (|vault| symlink("/etc/shadow", vault.file("ssh.age")).expect("a link"), "a symbolic link"),
        (|vault| drop(program("mkfifo").arg(vault.file("pipe.age")).succeeds()), "a special file"),
        (|vault| vault.seal("a name", "x"), "cannot be the name of a secret"),
        (|vault| vault.put("passwords/\u{1b}[2J.age", "x"), "cannot be the name of a secret"),
        (|vault| vault.put("passwords/x.age", "not age"), "this is not an age v1 file"),
        (
            |vault| {
                let path = vault.file("passwords/root.yesc.age");
                let mut bytes = fs::read(&path).expect("a file");
                *bytes.last_mut().expect("a byte") ^= 1;
                fs::write(path, bytes).expect("a damaged file");
            },
            "its content fails authentication",
        ),
        (
            |vault| {
                fs::remove_file(vault.file("age.key")).expect("a key to remove");
                program("age-keygen").arg("-o").arg(vault.file("age.key")).succeeds();
            },
            "can decrypt nothing in this vault",
        ),
    ];
    for (make, error) in refusals {
        let (vault, place) = (small(), MountPoint::new());
        make(&vault);
        let refused = of(&vault, &place).exits(1);
        refused.explains(error).tells_nothing_of("the-Hash-of-root");
        assert!(!refused.errors.contains('\u{1b}') && !place.is_mounted(), "{refused}");
    }
}

#[test]
fn once_adopted_it_is_served_by_its_signature_only() {
    if !can_run() {
        return;
    }
    let (vault, place) = (small(), MountPoint::new());
    let key = vault.beside("etc-age.key");
    fs::copy(vault.file("age.key"), &key).expect("the machine's key");
    mount(&vault.path(), &key, &place).succeeds();
    vaultd().arg("unmount").arg(place.path()).succeeds();
    vaultgen().args(["adopt", "--batch", "--vault"]).arg(vault.path()).succeeds();
    mount(&vault.path(), &key, &place).exits(1).explains("this is part of a signed vault");
    // With the key that the machine always had.
    let signers = vault.beside("allowed_signers");
    fs::copy(vault.file("allowed_signers"), &signers).expect("the machine's signers");
    place.mount_with(&vault.path(), &key, &signers).succeeds();
    assert_eq!(fs::read(place.join("passwords/root.yesc")).expect("a served file"), b"the-Hash-of-root\n");
    assert_eq!(fs::read(place.join("passwords/odoo-admin.txt")).expect("a served file"), b"the-Odd-one");
}

#[test]
fn the_snake_oil_identity_and_an_exposed_one_are_refused() {
    if !can_run() {
        return;
    }
    let place = MountPoint::new();
    let vault = LegacyVault::empty();
    fs::copy(vault::snake_oil().join("age.key"), vault.file("age.key")).expect("a key");
    vault.seal("passwords/root.txt", "abc123");
    of(&vault, &place).exits(1).explains("this is the snake-oil vault (by its identity)");
    of(&vault, &place).arg("--allow-snakeoil").succeeds();
    vaultd().arg("unmount").arg(place.path()).succeeds();

    let vault = small();
    program("chmod").arg("0644").arg(vault.file("age.key")).succeeds();
    of(&vault, &place).exits(1).explains("this identity can be read by others");
}

#[test]
fn signers_say_nothing_of_an_unsigned_vault() {
    let run = vaultd().args(["mount", "--unsigned", "--allowed-signers", "file", "/nowhere"]);
    run.exits(2).says("cannot be used with");
}
