//! Private keys: any file is a key that reads back as itself, or is refused.
#![no_main]

use vault_format::{Plaintext, certificate::PrivateKey};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    let wrapped = labels.map(|label| pem::encode(&pem::Pem::new(label, bytes)).replace('\r', ""));
    for file in [bytes].into_iter().chain(wrapped.iter().map(|text| text.as_bytes())) {
        if let Ok(key) = PrivateKey::read(&Plaintext::from(file.to_vec())) {
            let again = key.to_pem().and_then(|pem| PrivateKey::read(&pem)).expect("a key");
            assert_eq!(again.spki_sha256(), key.spki_sha256());
        }
    }
});
