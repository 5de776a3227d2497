//! Names of secrets: what is taken is a relative, normalised path that no terminal misreads.
#![no_main]

use vault_format::SecretName;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<SecretName>() {
        assert!(name.as_str() == text && text.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(text.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
});
