//! age files: the header is read within its bounds, and a file never has more plaintext than bytes.
#![no_main]

use vault_format::{Identities, cipher};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    if let Ok(len) = cipher::plaintext_len(file) {
        assert!(len < file.len() && cipher::Header::parse(file).is_ok());
    }
    assert!(cipher::decrypt(file, &Identities::none()).is_err());
});
