//! `vault.lock.sig`: nothing but the one signature that was made passes.
#![no_main]

use vault_format::{signature, signers::AllowedSigners};

const LOCK: &[u8] = include_bytes!("../../snakeoil/vault/vault.lock");
const SIGNATURE: &[u8] = include_bytes!("../../snakeoil/vault/vault.lock.sig");
const SIGNERS: &str = include_str!("../../snakeoil/vault/allowed_signers");

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let trusted = AllowedSigners::parse(SIGNERS).expect("the snake-oil signers are signers");
    let armor = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF).set_line_wrap(70);
    let armored = pem::encode_config(&pem::Pem::new("SSH SIGNATURE", file), armor).into_bytes();
    for file in [file, &armored] {
        assert_eq!(signature::verify(file, LOCK, &trusted).is_ok(), file == SIGNATURE);
    }
});
