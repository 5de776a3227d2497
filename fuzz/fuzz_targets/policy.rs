//! `vault.toml`: what is taken can be edited, and the error of what is not can be shown.
#![no_main]

use vault_format::{Policy, policy::PolicyEditor, report};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Policy::parse(text) {
        Ok(_) => assert!(Policy::parse(&PolicyEditor::of(text).expect("a policy is TOML").text()).is_ok()),
        Err(error) => assert!(report::render(&error).chars().all(|c| c == '\n' || !c.is_control())),
    }
});
