//! Age files that are none, and age bombs: files made to exhaust memory or time. Each process has little of both
//! to find out; what it has is measured by the kernel.

use std::{
    fs::{self, File},
    io::Write,
};

use fixtures::{machine, vault::Vault};

use crate::scene::{NEEDS, Scene, bad_vault, bad_vault_within};

/// Address space, what can be written to one file or memory object, and seconds of each processor.
const LITTLE: [&str; 4] = ["prlimit", "--as=536870912", "--fsize=67108864", "--cpu=20"];
/// What a secret of the most that is allowed takes: itself in memory, and itself in the copy that is kept.
const LARGEST: [&str; 4] = ["prlimit", "--as=1610612736", "--fsize=1100000000", "--cpu=60"];

const VERSION: &[u8] = b"age-encryption.org/v1\n";
/// A stanza for an X25519 key, and the line that ends a header.
const STANZA: &str =
    "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n8DUbdmCnPvxYqr+WbVKjxaCa4xCHSCrWyHPZw+Vbmxk\n";
const END: &str = "--- gxhoSa5BciRDt8lOpYNcx4EYtKpS0CJ06F3ZwN82VaM\n";

/// Puts an age file in the place of a secret, properly signed by the vault's own signer.
fn signed(vault: &Vault, bytes: &[u8]) {
    fs::write(vault.path().join("token.age"), bytes).expect("an age file");
    vault.sign_as_it_lies();
}

fn with_header(stanzas: &str) -> Vec<u8> {
    [VERSION, stanzas.as_bytes(), END.as_bytes(), &[7; 64]].concat()
}

/// A file that begins with these bytes and is mostly a hole.
fn sparse(vault: &Vault, name: &str, start: &[u8], length: u64) {
    let mut file = File::create(vault.path().join(name)).expect("a file");
    file.write_all(start).and_then(|()| file.set_len(length)).expect("a sparse file");
}

#[test]
fn of_0_bytes() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_vault(
        |vault| fs::write(vault.path().join("token.age"), "").expect("a file"),
        "token.age is not what was signed",
    );
    bad_vault(|vault| signed(vault, b""), "token.age: the file is empty");
}

#[test]
fn truncated() {
    if !machine::has(&NEEDS) {
        return;
    }
    let cut = |length: fn(usize) -> usize| {
        move |vault: &Vault| {
            let bytes = fs::read(vault.path().join("token.age")).expect("an age file");
            signed(vault, &bytes[..length(bytes.len())]);
        }
    };
    bad_vault(cut(|_| 10), "token.age: this is not an age v1 file");
    bad_vault(cut(|_| 50), "token.age: the age header is damaged");
    bad_vault(cut(|length| length - 40), "token: the age file is cut off");
    bad_vault(cut(|length| length - 1), "token: the age file is damaged");
}

#[test]
fn that_is_no_age_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    bad_vault(
        |vault| signed(vault, b"-----BEGIN PRIVATE KEY-----\n"),
        "token.age: this is not an age v1 file",
    );
}

#[test]
fn for_somebody_else_than_the_lock_says() {
    if !machine::has(&NEEDS) {
        return;
    }
    let other = |vault: &Vault| {
        let other = Vault::with("token", "x").build();
        signed(vault, &fs::read(other.path().join("token.age")).expect("an age file"));
    };
    bad_vault(other, "token: none of the identities at hand can decrypt it");
}

#[test]
fn a_bomb_of_very_many_stanzas() {
    if !machine::has(&NEEDS) {
        return;
    }
    // As many as a header may have.
    let many = with_header(&STANZA.repeat(1_300));
    bad_vault_within(
        &LITTLE,
        |vault| signed(vault, &many),
        "token.age is encrypted to 1300 keys, and not to the 1",
    );
    let too_many = with_header(&STANZA.repeat(100_000));
    bad_vault_within(
        &LITTLE,
        |vault| signed(vault, &too_many),
        "token.age: the age header is damaged or longer than 128 KiB",
    );
    let tiny = with_header(&"-> x\n\n".repeat(20_000));
    bad_vault_within(
        &LITTLE,
        |vault| signed(vault, &tiny),
        "token.age is encrypted to 20000 keys, and not to the 1",
    );
}

#[test]
fn a_bomb_of_scrypt() {
    if !machine::has(&NEEDS) {
        return;
    }
    for factor in [22, 63, 255, u64::MAX] {
        let stanza = format!(
            "-> scrypt bBjlhJVYZeE4aqUdmtRHfw {factor}\nZfu5yTDk1TrqGEz2M6PdMwqs1xE/Mb8u5z5XyCJEUdk\n"
        );
        let bomb = with_header(&stanza);
        bad_vault_within(
            &LITTLE,
            |vault| signed(vault, &bomb),
            "token.age: the file is encrypted to a passphrase",
        );
    }
}

#[test]
fn a_bomb_of_a_line_without_an_end() {
    if !machine::has(&NEEDS) {
        return;
    }
    let start = [VERSION, b"-> "].concat();
    // Nobody signed it: that is told without keeping any of it.
    bad_vault_within(
        &LITTLE,
        |vault| sparse(vault, "token.age", &start, 1 << 30),
        "token.age is not what was signed",
    );
}

/// It costs what a secret of that length costs.
#[test]
fn a_bomb_of_a_line_without_an_end_that_is_signed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    sparse(&scene.vault, "token.age", &[VERSION, b"-> "].concat(), 1 << 30);
    scene.vault.sign_as_it_lies();
    scene
        .refuses(scene.check().under(LARGEST), "token.age: the age header is damaged or longer than 128 KiB");
}

#[test]
fn a_bomb_of_holes() {
    if !machine::has(&NEEDS) {
        return;
    }
    for length in [1 << 31, 1 << 40] {
        bad_vault_within(
            &LITTLE,
            |vault| sparse(vault, "token.age", VERSION, length),
            "token.age: it is longer than",
        );
    }
    // In the place of a public file, of which none is larger than 64 MiB.
    bad_vault_within(
        &LITTLE,
        |vault| sparse(vault, "vault.toml", b"version = 1\n", 1 << 40),
        "vault.toml: it is longer than",
    );
    bad_vault_within(
        &LITTLE,
        |vault| sparse(vault, "vault.lock", b"version = 1\n", 1 << 40),
        "vault.lock: it is longer than",
    );
    bad_vault_within(
        &LITTLE,
        |vault| sparse(vault, "vault.lock.sig", b"-----BEGIN", 1 << 40),
        "vault.lock.sig: it is longer than",
    );
}

/// A hostile file is one thing, the machine that it is served by another: it stays as it was.
#[test]
fn several_bombs_leave_the_machine_its_memory() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    scene.mount().under(LITTLE).succeeds();
    for name in ["token.age", "folder/other.age"] {
        sparse(&scene.vault, name, VERSION, 1 << 30);
    }
    scene.serves_on("folder/other.age is not what was signed");
}
