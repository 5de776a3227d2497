//! Certificates: any PEM, and any DER inside of it, has facts or is refused.
#![no_main]

use vault_format::{Plaintext, Timestamp, certificate::CertificateFacts};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let pem = pem::encode(&pem::Pem::new("CERTIFICATE", bytes));
    for file in [bytes, pem.as_bytes()] {
        if let Ok(facts) = CertificateFacts::of(&Plaintext::from(file.to_vec())) {
            assert!(facts.not_before.to_string().parse().is_ok_and(|read: Timestamp| read == facts.not_before));
        }
    }
});
