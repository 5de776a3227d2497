//! How a value is written into a text: byte for byte, or so that a reader of that kind of text takes it for
//! one value, and for this one. A value that cannot be written so is refused, not mended.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the value of a secret is written into the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// Byte for byte.
    #[default]
    None,
    /// As the value of an INI file whose readers take the rest of the line as it is, such as Python's
    /// `RawConfigParser`. There is no escape that all of them know, so what some would take for a comment, a
    /// quote, the end of the line or nothing is refused.
    Ini,
    /// As a JSON string with its quotes (RFC 8259).
    Json,
    /// As one word of a POSIX shell, in single quotes (IEEE Std 1003.1, 2.2.2).
    Shell,
}

/// The filters by their names.
pub(super) const FILTERS: [(&str, Filter); 3] =
    [("ini", Filter::Ini), ("json", Filter::Json), ("shell", Filter::Shell)];

/// Why a value cannot be written so. Nothing of the value is in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FilterError {
    /// JSON and INI files are text.
    #[error("it is not text in UTF-8")]
    NotText,
    /// No word of a shell has one.
    #[error("it has a NUL byte")]
    Nul,
    /// A line of an INI file ends there.
    #[error("it has a line break or another control character")]
    Control,
    /// Readers of INI files strip it.
    #[error("it begins or ends with a blank")]
    OuterBlank,
    /// Some readers of INI files take it off.
    #[error("it begins with a quote")]
    Quote,
    /// Some readers of INI files drop what follows.
    #[error("a part of it could be taken for a comment")]
    Comment,
}

impl Filter {
    /// Gives the value as it stands in the text to `put`, piece by piece.
    ///
    /// # Errors
    ///
    /// [`FilterError`]; nothing was given then.
    pub fn write(self, value: &[u8], mut put: impl FnMut(&[u8])) -> Result<(), FilterError> {
        match self {
            Self::None => put(value),
            Self::Ini => put(ini(value)?.as_bytes()),
            Self::Json => {
                // A writer that takes everything never fails.
                let _ = serde_json::to_writer(Pieces(put), text(value)?);
            }
            Self::Shell if value.contains(&0) => return Err(FilterError::Nul),
            Self::Shell => {
                put(b"'");
                for (place, piece) in value.split(|byte| *byte == b'\'').enumerate() {
                    if place > 0 {
                        put(br"'\''");
                    }
                    put(piece);
                }
                put(b"'");
            }
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Result<&str, FilterError> {
    std::str::from_utf8(value).map_err(|_| FilterError::NotText)
}

fn ini(value: &[u8]) -> Result<&str, FilterError> {
    let value = text(value)?;
    let is_comment = |(at, _): (usize, &str)| at == 0 || value[..at].ends_with(char::is_whitespace);
    if value.contains(char::is_control) {
        Err(FilterError::Control)
    } else if value.trim() != value {
        Err(FilterError::OuterBlank)
    } else if value.starts_with(['"', '\'']) {
        Err(FilterError::Quote)
    } else if value.match_indices(['#', ';']).any(is_comment) {
        Err(FilterError::Comment)
    } else {
        Ok(value)
    }
}

/// Passes on what is written to it.
struct Pieces<F>(F);

impl<F: FnMut(&[u8])> Write for Pieces<F> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        (self.0)(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn written(filter: Filter, value: &[u8]) -> Result<Vec<u8>, FilterError> {
        let mut bytes = Vec::new();
        filter.write(value, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    #[test]
    fn each_filter_writes_as_its_readers_expect() {
        for (filter, value, expected) in [
            (Filter::None, &b"a\0\xff\n"[..], &b"a\0\xff\n"[..]),
            (Filter::Ini, b"", b""),
            (Filter::Ini, b"100% = a#b \"c\" \\n", b"100% = a#b \"c\" \\n"),
            (Filter::Json, "a\"\\\n\u{1}ü".as_bytes(), "\"a\\\"\\\\\\n\\u0001ü\"".as_bytes()),
            (Filter::Shell, b"", b"''"),
            (Filter::Shell, b"a'b $(c)\n\xff", b"'a'\\''b $(c)\n\xff'"),
        ] {
            assert_eq!(written(filter, value).unwrap(), expected, "{filter:?}");
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        for (filter, value, error) in [
            (Filter::Ini, &b"\xff"[..], FilterError::NotText),
            (Filter::Ini, b"a\nadmin = true", FilterError::Control),
            (Filter::Ini, b"a\r", FilterError::Control),
            (Filter::Ini, "a\u{85}".as_bytes(), FilterError::Control),
            (Filter::Ini, b" a", FilterError::OuterBlank),
            (Filter::Ini, "a\u{a0}".as_bytes(), FilterError::OuterBlank),
            (Filter::Ini, b"\"a\"", FilterError::Quote),
            (Filter::Ini, b"#a", FilterError::Comment),
            (Filter::Ini, b"a ;b", FilterError::Comment),
            (Filter::Json, b"\xff", FilterError::NotText),
            (Filter::Shell, b"a\0b", FilterError::Nul),
        ] {
            assert_eq!(written(filter, value), Err(error), "{filter:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_the_value(value in proptest::collection::vec(1u8.., 0..40)) {
            use std::os::unix::ffi::OsStrExt;

            let mut script = b"printf %s ".to_vec();
            script.extend(written(Filter::Shell, &value).unwrap());
            let script = std::ffi::OsStr::from_bytes(&script);
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(output.stdout, value);
        }

        #[test]
        fn json_reads_the_value(value in ".*") {
            let bytes = written(Filter::Json, value.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&bytes).unwrap(), value);
        }

        #[test]
        fn an_ini_value_is_one_line(value in "[ -~ü\n\t\"';#]*") {
            if let Ok(bytes) = written(Filter::Ini, value.as_bytes()) {
                prop_assert!(bytes == value.as_bytes() && value.lines().count() <= 1 && value.trim() == value);
            }
        }
    }
}
