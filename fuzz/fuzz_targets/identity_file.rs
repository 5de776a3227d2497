//! Identity files: what is taken holds a key, and age's own keys read back from what is written.
#![no_main]

use std::collections::BTreeSet;

use vault_format::{Identities, Plaintext, Timestamp, passphrase::Nobody};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(identities) = Identities::parse(&Plaintext::from(bytes.to_vec()), &Nobody) else { return };
    let written = Identities::parse(&identities.to_file(Timestamp::now()), &Nobody);
    let written = written.map(|read| read.recipients()).unwrap_or_default();
    let keys = identities.recipients().into_iter().filter(|key| key.as_str().starts_with("age1"));
    assert_eq!(written, keys.collect::<BTreeSet<_>>());
});
