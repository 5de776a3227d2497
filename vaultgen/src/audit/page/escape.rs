//! Values as HTML. What nobody sees, or what turns the direction of writing, is spelled out.

use minijinja::{Error, Output, State, Value, escape_formatter};

/// Writes a value for HTML.
pub fn write(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() && text.contains(is_unseen) => {
            escape_formatter(out, state, &Value::from(spelled_out(text)))
        }
        _ => escape_formatter(out, state, value),
    }
}

/// Control characters, and those that turn the direction or join and divide without being seen.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

fn spelled_out(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) { seen.extend(c.escape_unicode()) } else { seen.push(c) }
    }
    seen
}

/// The day of a moment.
pub fn day(moment: &str) -> String {
    moment.get(..10).unwrap_or(moment).to_owned()
}

/// A moment for people.
pub fn moment(moment: &str) -> String {
    moment.replacen('T', " ", 1).replacen('Z', " UTC", 1)
}

/// A name that fits into a box of so many letters.
pub fn short(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some(_) => text.chars().take(letters.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
