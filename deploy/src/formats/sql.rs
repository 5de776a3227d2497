//! PostgreSQL's identifiers and literals ("Lexical Structure" in its manual), as libpq's `PQescapeIdentifier` and
//! `PQescapeLiteral` write them.
//!
//! ```
//! use deploy::formats::sql::{identifier, literal};
//!
//! let statement = format!("COMMENT ON ROLE {} IS {}", identifier("the \"box\"")?, literal("it's")?);
//! assert_eq!(statement, r#"COMMENT ON ROLE "the ""box""" IS 'it''s'"#);
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

use super::Unwritable;

/// How an error names this format.
const FORMAT: &str = "SQL";

/// What PostgreSQL keeps of a name (`NAMEDATALEN` less its NUL), in bytes; the rest it would cut off.
pub(super) const LONGEST_NAME: usize = 63;

/// A name of a role, a database, a schema or the like, in double quotes: case and keywords mean nothing there.
///
/// # Errors
///
/// [`Unwritable`] if the name is empty, longer than 63 bytes, or holds a NUL.
pub fn identifier(name: &str) -> Result<String, Unwritable> {
    if name.is_empty() {
        return Err(Unwritable::new(FORMAT, name, "a name is not empty"));
    }
    if name.len() > LONGEST_NAME {
        return Err(Unwritable::new(FORMAT, name, "PostgreSQL cuts names off after 63 bytes"));
    }
    Ok(format!("\"{}\"", without_nul(name)?.replace('"', "\"\"")))
}

/// A string in single quotes; one with backslashes in a form that means the same whatever
/// `standard_conforming_strings` is.
///
/// # Errors
///
/// [`Unwritable`] if the value holds a NUL, which no PostgreSQL string does.
pub fn literal(value: &str) -> Result<String, Unwritable> {
    let quoted = without_nul(value)?.replace('\'', "''");
    Ok(if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    })
}

fn without_nul(value: &str) -> Result<&str, Unwritable> {
    if value.contains('\0') { Err(Unwritable::new(FORMAT, value, "it holds a NUL")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::{identifier, literal};

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("a\"b'").expect("a name"), r#""a""b'""#);
        assert_eq!(literal("a\"b'").expect("a value"), r#"'a"b'''"#);
    }

    #[test]
    fn backslashes_mean_the_same_to_every_server() {
        assert_eq!(literal(r"\'; DROP").expect("a value"), r"E'\\''; DROP'");
        assert_eq!(identifier(r"\").expect("a name"), r#""\""#);
    }

    #[test]
    fn what_would_be_cut_off_is_refused() {
        assert!(identifier(&"é".repeat(31)).is_ok());
        let reason = |name: &str| identifier(name).expect_err("not a name").reason;
        assert_eq!(reason(&"é".repeat(32)), "PostgreSQL cuts names off after 63 bytes");
        assert_eq!(reason(""), "a name is not empty");
        assert_eq!(reason("a\0"), "it holds a NUL");
        assert_eq!(literal("a\0").expect_err("not a value").reason, "it holds a NUL");
    }
}
