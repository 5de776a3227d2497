//! Any file is scanned for secrets, and each that is found stands in a line of it.
#![no_main]

use vault_format::leak;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let leaks = leak::scan(bytes);
    assert!(leaks.len() <= leak::MAX_LEAKS);
    assert!(leaks.iter().all(|leak| (1..=lines.max(1)).contains(&leak.line)));
});
