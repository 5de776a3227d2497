//! The values.

use deploy::formats::Unwritable;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};

/// What has a meaning somewhere.
const PIECES: [&str; 56] = [
    " ", "  ", "\t", "\n", "\r", "\r\n", "'", "''", "\"", "\"\"", "\\", "\\\\", "\\n", "\\x20", "\\\"", "%",
    "%%", "%d", "%s", "$", "$$", "$HOME", "${HOME}", "$(id)", "`id`", ";", "#", "{", "}", "(", ")", "[", "]",
    "<", ">", "=", ":", ",", "-", "@", "+", "!", "|", "/", "~", "*", "?", "&", "^", "\u{1}", "\u{1b}",
    "\u{7f}", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}",
];

/// One value; without a NUL, which no format takes but Python.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(&PIECES[..]).prop_map(str::to_owned),
        4 => "[a-zA-Z0-9é日😀]{1,4}",
        1 => any::<char>().prop_filter("a NUL", |c| *c != '\0').prop_map(String::from),
    ];
    prop_oneof![
        6 => vec(piece.clone(), 0..10).prop_map(|pieces| pieces.concat()),
        // Few enough that nothing else makes it be quoted.
        3 => vec(piece, 0..3).prop_map(|pieces| pieces.concat()),
        1 => select(&PIECES[..]).prop_map(str::to_owned),
    ]
}

/// Gives a test `count` values at a time, several times.
pub fn each(count: usize, test: impl Fn(Vec<String>)) {
    let config = ProptestConfig {
        cases: 6,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let run = TestRunner::new(config).run(&vec(value(), 1..=count), |values| {
        test(values);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// Those that can be written, each with how: enough of them that the test says something.
///
/// # Panics
///
/// If fewer than one in `one_in` can, or one is refused without a reason.
pub fn written<T>(
    values: &[String],
    one_in: usize,
    write: impl Fn(&str) -> Result<T, Unwritable>,
) -> Vec<(&str, T)> {
    let mut written = Vec::new();
    for value in values {
        match write(value) {
            Ok(text) => written.push((value.as_str(), text)),
            Err(error) => assert!(!error.reason.is_empty(), "{error}"),
        }
    }
    // A short list is a failure that is being made smaller.
    assert!(
        written.len() * one_in >= values.len() || values.len() < 20,
        "{} of {}",
        written.len(),
        values.len()
    );
    written
}

/// The values that a program printed, each with a NUL after it.
pub fn split(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8(output.to_vec()).expect("what was written is UTF-8");
    let mut values: Vec<String> = text.split('\0').map(str::to_owned).collect();
    assert_eq!(values.pop().as_deref(), Some(""), "the last value is incomplete");
    values
}
