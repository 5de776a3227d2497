//! `vaultd` and bad arrangements: one clear error each, and nothing served.

use std::fs;

use fixtures::{
    command::{Run, program, public_copy, vaultd},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    tree,
    vault::Vault,
};

const NEEDS: [Need; 4] = [Root, Fuse, Program("mount"), Program("unshare")];
const PLAINTEXT: &str = "the-plaintext-of-the-token";
/// Somebody who owns nothing.
const NOBODY: u32 = 50_003;

/// What is wrong, and what is said of it.
struct Refusal {
    name: &'static str,
    run: fn(&Vault, &MountPoint) -> Run,
    error: &'static str,
}

const fn refusal(name: &'static str, run: fn(&Vault, &MountPoint) -> Run, error: &'static str) -> Refusal {
    Refusal { name, run, error }
}

const REFUSALS: [Refusal; 16] = [
    refusal(
        "no vault",
        |vault, place| place.mount_with(&vault.beside("no"), &vault.identity(), &vault.signers()),
        "there is no such file or folder",
    ),
    refusal(
        "no identity",
        |vault, place| place.mount_with(&vault.path(), &vault.beside("no"), &vault.signers()),
        "there is no such key file",
    ),
    refusal(
        "a wrong identity",
        |vault, place| {
            let other = Vault::with("token", "x").build();
            fs::copy(other.identity(), vault.identity()).expect("another identity");
            place.mount(vault)
        },
        "can decrypt nothing in this vault",
    ),
    refusal(
        "a broken identity",
        |vault, place| {
            fs::write(vault.identity(), "AGE-SECRET-KEY-1BROKEN\n").expect("a broken identity");
            place.mount(vault)
        },
        "line 1 is no age identity",
    ),
    refusal(
        "an empty identity",
        |vault, place| {
            fs::write(vault.identity(), "").expect("an empty identity");
            place.mount(vault)
        },
        "it holds no key",
    ),
    refusal(
        "an identity that others can read",
        |vault, place| {
            vault.set_mode("age.key", 0o604);
            place.mount(vault)
        },
        "this identity can be read by others",
    ),
    refusal(
        "an identity that the group can read",
        |vault, place| {
            vault.set_mode("age.key", 0o640);
            place.mount(vault)
        },
        "this identity can be read by others",
    ),
    refusal(
        "no signers",
        |vault, place| place.mount_with(&vault.path(), &vault.identity(), &vault.beside("no")),
        "cannot read this machine's signers",
    ),
    refusal(
        "other signers",
        |vault, place| {
            let other = Vault::with("token", "x").build();
            fs::copy(other.signers(), vault.signers()).expect("other signers");
            place.mount(vault)
        },
        "which is none of the trusted signers",
    ),
    refusal(
        "a mount point that is not there",
        |vault, place| {
            fs::remove_dir(place.path()).expect("a folder to remove");
            place.mount(vault)
        },
        "does not exist",
    ),
    refusal(
        "a mount point that is a file",
        |vault, place| {
            fs::remove_dir(place.path()).and_then(|()| fs::write(place.path(), "")).expect("a file");
            place.mount(vault)
        },
        "is not a directory",
    ),
    refusal(
        "a mount point that is not empty",
        |vault, place| {
            fs::write(place.join("file"), "").expect("a file");
            place.mount(vault)
        },
        "is not empty",
    ),
    refusal(
        "a mount point of something else",
        |vault, place| {
            program("mount").args(["-t", "tmpfs", "odbox-test"]).arg(place.path()).succeeds();
            place.mount(vault)
        },
        "is busy: tmpfs is mounted there",
    ),
    refusal(
        "a mount point of another vault",
        |vault, place| {
            place.mount(vault).succeeds();
            place.mount(vault)
        },
        "is busy",
    ),
    refusal(
        "no /dev/fuse",
        |vault, place| {
            let hide = "mount -t tmpfs odbox-test /dev && exec \"$@\"";
            in_front(vault, place).under(["unshare", "-m", "sh", "-c", hide, "sh"])
        },
        "cannot open /dev/fuse",
    ),
    refusal(
        "not root",
        |vault, place| {
            let run = public_copy("vaultd", &vault.beside("."));
            run.args(["mount", "--vault"]).arg(vault.path()).arg(place.path()).as_user(NOBODY)
        },
        "only root can mount and unmount",
    ),
];

/// In the foreground, since `/dev/null` is hidden with the rest of `/dev`.
fn in_front(vault: &Vault, place: &MountPoint) -> Run {
    let run = vaultd().args(["mount", "--vault"]).arg(vault.path()).arg("--identity").arg(vault.identity());
    run.arg("--allowed-signers").arg(vault.signers()).arg(place.path())
}

#[test]
fn says_what_is_wrong_and_serves_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    for refusal in REFUSALS {
        let vault = Vault::with("token", PLAINTEXT).build();
        let place = MountPoint::new();
        let run = (refusal.run)(&vault, &place);
        let (before, servers) = (tree::snapshot(&vault.path()), place.monitors());
        let refused = run.run();
        assert_eq!(refused.status, Some(1), "{}: {refused}", refusal.name);
        refused.explains_once(refusal.error).tells_nothing_of(PLAINTEXT);
        assert!(refused.output.is_empty(), "{}: {refused}", refusal.name);
        assert!(tree::snapshot(&vault.path()) == before, "{}: something was changed", refusal.name);
        assert_eq!(place.monitors(), servers, "{}", refusal.name);
    }
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

#[test]
fn wrong_usage_exits_with_2() {
    let wrong: [&[&str]; 4] =
        [&[], &["no-such-command"], &["mount", "--no-such-flag"], &["mount", "--vault", "a", "b", "c"]];
    for words in wrong {
        let refused = vaultd().args(words).exits(2);
        assert!(refused.output.is_empty(), "{refused}");
    }
}
