//! `allowed_signers`: each signer that is taken can be written as a line and reads back.
#![no_main]

use vault_format::signers::AllowedSigners;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for signer in AllowedSigners::parse(text).iter().flat_map(AllowedSigners::iter) {
        let line = AllowedSigners::parse(&signer.to_string()).expect("a line that was written can be read");
        assert!(line.find(signer.key().key_data()).is_some_and(|read| read.principal() == signer.principal()));
    }
});
