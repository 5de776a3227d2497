//! The vault whose keys everybody knows is refused wherever it lies and whoever signed it.

use std::fs;

use fixtures::{
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    vault::{Vault, snake_oil},
};

const NEEDS: [Need; 3] = [Root, Fuse, Program("ssh-keygen")];

/// The vault to serve, the identity and the signers that this machine has, beside a guard.
type Arrangement = fn(&Vault, &Vault) -> [std::path::PathBuf; 3];

/// Each is given a copy of the snake-oil vault, and another vault.
const ARRANGEMENTS: [(&str, Arrangement); 5] = [
    ("in place", |_, _| [snake_oil(), snake_oil().join("age.key"), snake_oil().join("allowed_signers")]),
    ("copied elsewhere", |copy, _| [copy.path(), copy.identity(), copy.signers()]),
    ("signed by another key", |copy, _| {
        copy.sign_with_new_key();
        [copy.path(), copy.identity(), copy.signers()]
    }),
    ("trusting other signers", |copy, other| [copy.path(), copy.identity(), other.signers()]),
    ("with another identity and signed by another key", |copy, other| {
        copy.sign_with_new_key();
        [copy.path(), other.identity(), copy.signers()]
    }),
];

#[test]
fn is_refused_in_every_arrangement() {
    if !machine::has(&NEEDS) {
        return;
    }
    for (name, arrange) in ARRANGEMENTS {
        let (copy, other) = (Vault::copy_of(&snake_oil()), Vault::with("file", "bytes").build());
        let [vault, identity, signers] = arrange(&copy, &other);
        // A file mode that Git does not keep must not be what hides the reason.
        let private = copy.beside("age.key");
        fs::copy(identity, &private).expect("a copy of the identity");
        fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("chmod");
        let place = MountPoint::new();
        let refused = place.mount_with(&vault, &private, &signers).run();
        assert_eq!(refused.status, Some(1), "{name}: {refused}");
        refused.explains("this is the snake-oil vault").says("--allow-snakeoil");
        assert!(!place.is_mounted() && place.monitors().is_empty(), "{name}");
    }
}

/// As it lies in the repository, with an identity that everybody may read.
#[test]
fn is_served_in_place_where_that_is_allowed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let place = MountPoint::new();
    let (identity, signers) = (snake_oil().join("age.key"), snake_oil().join("allowed_signers"));
    place.mount_with(&snake_oil(), &identity, &signers).arg("--allow-snakeoil").succeeds();
    assert_eq!(fs::read(place.join("passwords/root.txt")).expect("a password"), b"abc123");
}

/// Its keys in a vault of one's own are no less known.
#[test]
fn its_identity_and_signer_are_refused_for_any_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (copy, own) = (Vault::copy_of(&snake_oil()), Vault::with("file", "bytes").build());
    let place = MountPoint::new();
    let refused = place.mount_with(&own.path(), &copy.identity(), &own.signers()).exits(1);
    refused.explains("this is the snake-oil vault (by its identity)");
    let refused = place.mount_with(&own.path(), &own.identity(), &copy.signers()).exits(1);
    refused.explains("this is the snake-oil vault (by its signer)");
}
