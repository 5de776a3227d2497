//! Flipped bytes: each of the lock and of its signature, and some of every other file.
//!
//! `ODBOX_FLIPS=all` flips every byte of every file, each in two ways, which takes minutes.

use std::{env, fs::File, os::unix::fs::FileExt};

use fixtures::{machine, vault::Vault};
use vault_format::{LOCK_FILE, SIGNATURE_FILE};

use super::{CANARY, Victim, named};
use crate::stand::NEEDS;

/// How a byte is changed: one bit of it, and all.
const FLIPS: [u8; 2] = [0x01, 0xff];
/// How far apart the flipped bytes of other files are.
const STRIDE: usize = 23;

#[test]
fn a_flipped_byte_of_any_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    let victim = Victim::of(Vault::with("token", CANARY));
    let mut count = 0;
    for file in victim.files() {
        let opened = File::options().write(true).open(victim.path(&file)).expect("a file");
        let bytes = victim.bytes(&file);
        for (at, mask) in flips(&file, bytes.len()) {
            let offset = u64::try_from(at).expect("an offset");
            opened.write_all_at(&[bytes[at] ^ mask], offset).expect("another byte");
            victim.refuses(&format!("byte {at} of {file} ^ {mask}"), &[named(&file)]);
            opened.write_all_at(&[bytes[at]], offset).expect("the byte as it was");
            count += 1;
        }
    }
    victim.expect_whole();
    println!("{count} flipped bytes, each refused by a reload");
}

/// The bytes of a file that are flipped, and how.
fn flips(file: &str, length: usize) -> impl Iterator<Item = (usize, u8)> {
    let all = env::var("ODBOX_FLIPS").is_ok_and(|which| which == "all");
    let stride = if all || [LOCK_FILE, SIGNATURE_FILE].contains(&file) { 1 } else { STRIDE };
    let masks = if all { &FLIPS[..] } else { &FLIPS[..1] };
    let places = (0..length).filter(move |at| at % stride == 0 || at + 1 == length);
    places.flat_map(move |at| masks.iter().map(move |mask| (at, *mask)))
}
