//! `vault.lock`: what is taken is written, and reads back as the same.
#![no_main]

use vault_format::Lock;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(lock) = Lock::parse(text) {
        let written = lock.to_text().expect("a lock that was read can be written");
        assert_eq!(Lock::parse(&written).expect("a lock that was written can be read"), lock);
    }
});
