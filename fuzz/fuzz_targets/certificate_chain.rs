//! Chains that somebody gives us to import: refused, or of the key and with a name.
#![no_main]

use std::sync::OnceLock;

use vault_format::{
    Plaintext, Timestamp,
    certificate::{PrivateKey, import},
};

static KEY: OnceLock<PrivateKey> = OnceLock::new();
const SEED_KEY: &str = include_str!("../seeds/private_key/p256.pem");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let key = KEY.get_or_init(|| PrivateKey::read(&Plaintext::from(SEED_KEY.to_owned())).expect("a key"));
    let now: Timestamp = "2026-11-22T13:51:00Z".parse().expect("a moment");
    if let Ok(imported) = import(&Plaintext::from(bytes.to_vec()), None, key, now) {
        assert!(!imported.certified.facts.names.is_empty());
        assert_eq!(imported.certified.facts.spki_sha256, key.spki_sha256());
    }
});
