//! Errors as people read them: what is wrong, where, and what to do next.

use std::fmt::Write;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

/// Renders an error as text, without a trailing newline: `error:` with its causes, the place in
/// the file where there is one, and a `hint:` for each thing to do next.
///
/// Errors quote names and lines of files that anybody may have written. So whatever could move
/// the cursor, or make a terminal show another text than there is, is shown as `\u{…}`.
#[must_use]
pub fn render(error: &dyn Diagnostic) -> String {
    visible(&render_raw(error))
}

/// The text with whatever could move the cursor or reorder what is shown as `\u{…}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n') || is_format(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that reorder, join or hide others, or end a line (Unicode, Bidi_Control and kin).
fn is_format(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// An error with its causes in one line, without hints: what is wrong, for a table or a list.
#[must_use]
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    visible(&text).replace('\n', " ")
}

fn render_raw(error: &dyn Diagnostic) -> String {
    let place = match place(error) {
        Some(Place::Line) => return render_with_source(error),
        Some(Place::LongLine(place)) => format!("{place}: "),
        None => String::new(),
    };
    let mut text = format!("error: {place}{error}");
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    if let Some(hint) = hint(error) {
        let _ = write!(text, "\n  hint: {hint}");
    }
    for related in error.related().into_iter().flatten() {
        let _ = write!(text, "\n{}", render_raw(related));
    }
    text
}

/// Longest line of a file that is shown, in bytes.
const LONGEST_LINE: usize = 1_000;

/// Where in a file an error is.
enum Place {
    /// In a line that can be shown.
    Line,
    /// In a line that fills the screen with what nobody reads: only file and number.
    LongLine(String),
}

fn place(error: &dyn Diagnostic) -> Option<Place> {
    let source = error.source_code()?;
    let label = error.labels().and_then(|mut labels| labels.next());
    let Some(label) = label else { return Some(Place::Line) };
    // With a line before and after, as they are shown.
    let shown = source.read_span(label.inner(), 1, 1).ok()?;
    if shown.data().split(|byte| *byte == b'\n').all(|line| line.len() <= LONGEST_LINE) {
        return Some(Place::Line);
    }
    let line = source.read_span(label.inner(), 0, 0).ok()?;
    let name = line.name().or(shown.name()).unwrap_or_default();
    Some(Place::LongLine(format!("{name}:{}:{}", line.line() + 1, line.column() + 1)))
}

fn render_with_source(error: &dyn Diagnostic) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    if handler.render_report(&mut text, error).is_err() {
        return format!("error: {error}");
    }
    // As everywhere else.
    let text = text.replace("\n  help: ", "\n  hint: ");
    format!("error: {}", text.trim_start_matches(['\n', ' ', '×']).trim_end())
}

/// The hint of an error, or that of the nearest cause that has one.
fn hint(error: &dyn Diagnostic) -> Option<String> {
    match error.help() {
        Some(help) => Some(help.to_string()),
        None => error.diagnostic_source().and_then(hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    #[test]
    fn an_error_tells_the_next_step() {
        let error = "a b".parse::<crate::SecretName>().unwrap_err();
        let text = render(&error);
        assert!(text.starts_with("error: \"a b\" cannot be the name"), "{text}");
        assert!(text.contains("\n  hint: a name is a path"), "{text}");
    }

    #[test]
    fn an_error_of_the_policy_shows_the_line() {
        let error = Policy::parse("version = 1\n[defaults]\nmode = \"0777\"\n").unwrap_err();
        let text = render(&error);
        assert!(text.contains("vault.toml:3:8") && text.contains("mode = \"0777\""), "{text}");
    }

    #[test]
    fn nothing_quoted_reaches_the_terminal_as_a_command() {
        for text in [
            "version = 1 \u{1b}[2J\n",
            "version = 1\n\"\\u001b[2J\" = 1\n",
            "version = 1\n[defaults]\nmode = \"\u{9b}2J\u{202e}\"\n",
            "version = 1\n[defaults]\naudience = [\"\\u001b]0;x\\u0007\"]\n",
            "version = 1\r[2K\n",
        ] {
            let shown = render(&Policy::parse(text).unwrap_err());
            assert!(!shown.contains(|c: char| c != '\n' && (c.is_control() || is_format(c))), "{shown:?}");
        }
    }
}
