//! Templates: what is taken is written, and reads back as the same; what is not is on a line of the text.
#![no_main]

use vault_format::template::Template;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match text.parse::<Template>() {
        Ok(template) => {
            let written = template.to_string();
            assert_eq!(
                written.parse::<Template>().expect("a template that was written can be read"),
                template
            );
        }
        Err(error) => assert!((1..=text.matches('\n').count() + 1).contains(&error.line)),
    }
});
