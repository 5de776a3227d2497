//! `allowed_signers`: what is taken can be written and reads back as the same.
#![no_main]

use vault_format::signers::AllowedSigners;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(signers) = AllowedSigners::parse(text) {
        assert_eq!(AllowedSigners::parse(&signers.to_string()).expect("reads what it writes"), signers);
    }
});
