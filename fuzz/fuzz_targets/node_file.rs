//! A node's file: what is taken renders, the same each time, and the problems of what is not can be shown.
#![no_main]

use deploy::{
    node::{NodeFile, Variant},
    pipeline,
};
use vault_format::report;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match pipeline::resolve(&[NodeFile::from_text("devm-x86_64", "box.toml", text)], Variant::Run) {
        Ok(resolved) => assert!(resolved.tree() == resolved.tree()),
        Err(problems) => {
            assert!(
                problems
                    .iter()
                    .all(|problem| report::render(problem).chars().all(|c| c == '\n' || !c.is_control()))
            );
        }
    }
});
