//! PostgreSQL's own files: settings of `postgresql.conf` ("Setting Parameters" in its manual, strings as in
//! `guc-file.l`), lines of `pg_hba.conf` and `pg_ident.conf` ("Client Authentication").
//!
//! ```
//! use deploy::formats::postgresql::{Field, line, setting};
//!
//! assert_eq!(setting("log_line_prefix", "it's %m")?, "log_line_prefix = 'it''s %m'\n");
//! let fields = [Field::Literal("local"), Field::Name("all"), Field::Literal("all peer map=box")];
//! assert_eq!(line(&fields)?, "local \"all\" all peer map=box\n");
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

use super::{Unwritable, sql::LONGEST_NAME};

/// How an error names this format.
const FORMAT: &str = "PostgreSQL's configuration";

/// A line that sets a parameter, with its newline. Numbers and words may be quoted like any text.
///
/// # Errors
///
/// [`Unwritable`] if the value holds a NUL.
pub fn setting(name: &'static str, value: &str) -> Result<String, Unwritable> {
    if value.contains('\0') {
        return Err(Unwritable::new(FORMAT, value, "it holds a NUL"));
    }
    let escaped: String = value.chars().map(escaped).collect();
    Ok(format!("{name} = '{escaped}'\n"))
}

fn escaped(c: char) -> String {
    match c {
        '\'' => "''".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_ascii_control() => format!("\\{:03o}", u32::from(c)),
        c => c.to_string(),
    }
}

/// A field of `pg_hba.conf` or `pg_ident.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// Ours, as it is: keywords (`local`, `all`), methods and options, several at once.
    Literal(&'static str),
    /// The name of a database, a role, a map or a user of the system: nothing but a name, also where it is spelled
    /// like a keyword or begins with `+` or `@`.
    Name(&'a str),
}

/// A line of `pg_hba.conf` or `pg_ident.conf`, with its newline.
///
/// # Errors
///
/// [`Unwritable`] if a name is empty or longer than 63 bytes, holds a control character, or begins with `/`, which
/// makes it a regular expression whether it is quoted or not.
pub fn line(fields: &[Field<'_>]) -> Result<String, Unwritable> {
    let fields: Result<Vec<String>, Unwritable> = fields.iter().map(|field| written(*field)).collect();
    Ok(fields?.join(" ") + "\n")
}

fn written(field: Field<'_>) -> Result<String, Unwritable> {
    let name = match field {
        Field::Literal(literal) => return Ok(literal.to_owned()),
        Field::Name(name) => name,
    };
    let refused = |reason| Err(Unwritable::new(FORMAT, name, reason));
    if name.is_empty() {
        return refused("a name is not empty");
    }
    if name.len() > LONGEST_NAME {
        return refused("PostgreSQL cuts names off after 63 bytes");
    }
    if name.chars().any(char::is_control) {
        return refused("it holds a line break or another control character");
    }
    if name.starts_with('/') {
        return refused("what begins with `/` is a regular expression");
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::{Field, line, setting};

    fn reason(name: &str) -> &'static str {
        line(&[Field::Name(name)]).expect_err("not a name").reason
    }

    #[test]
    fn a_setting_stays_on_its_line() {
        assert_eq!(setting("a", "'\\\n\u{1}é #").expect("a value"), "a = '''\\\\\\n\\001é #'\n");
        assert_eq!(setting("a", "\0").expect_err("not a value").reason, "it holds a NUL");
    }

    #[test]
    fn a_quoted_name_is_no_keyword() {
        let fields =
            [Field::Literal("local"), Field::Name("all"), Field::Name("+a\"b"), Field::Literal("peer")];
        assert_eq!(line(&fields).expect("a line"), "local \"all\" \"+a\"\"b\" peer\n");
    }

    #[test]
    fn no_name_is_a_pattern_or_another_line() {
        assert_eq!(reason("/^.*$"), "what begins with `/` is a regular expression");
        assert_eq!(reason("a\nb"), "it holds a line break or another control character");
        assert_eq!(reason(""), "a name is not empty");
    }
}
