//! Identity files: what is taken holds a key and reads back from what is written.
#![no_main]

use vault_format::{Identities, Plaintext, Timestamp};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(identities) = Identities::parse(&Plaintext::from(bytes.to_vec())) {
        let written = Identities::parse(&identities.to_file(Timestamp::now())).expect("reads what it writes");
        assert_eq!(written.recipients(), identities.recipients());
    }
});
