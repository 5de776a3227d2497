//! Identity files: what is taken holds a key and reads back from what is written.
#![no_main]

use vault_format::{Identities, Plaintext, Timestamp, passphrase::Nobody};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(identities) = Identities::parse(&Plaintext::from(bytes.to_vec()), &Nobody) {
        // SSH keys have a file format of their own.
        if identities.recipients().iter().any(|key| key.stanza_type() != "X25519") {
            return;
        }
        let written = Identities::parse(&identities.to_file(Timestamp::now()), &Nobody).expect("reads what it writes");
        assert_eq!(written.recipients(), identities.recipients());
    }
});
