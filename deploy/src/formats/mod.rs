//! The formats of the files that a box is made of, each written by something that quotes correctly.
//!
//! | room | what it writes |
//! | --- | --- |
//! | [`mod@unit`] | systemd's units |
//! | [`nginx`] | Nginx's directives and blocks |
//! | [`sql`] | PostgreSQL's identifiers and literals |
//! | [`postgresql`] | settings of `postgresql.conf`, lines of `pg_hba.conf` and `pg_ident.conf` |
//! | [`shell`] | words of `sh` |
//! | [`ini`] | files for Python's `configparser`, such as Odoo's |
//! | [`python`] | assignments of a configuration in Python, such as PgAdmin's |
//! | [`mod@line`] | lines of sysusers.d and tmpfiles.d |
//!
//! JSON and TOML come from `serde_json` and `toml`.
//!
//! Every room keeps two kinds of value apart: a literal of ours, a `&'static str` that is written as it is, and
//! a text that somebody chose, which its reader gets back byte for byte, or which is refused with the reason.
//! Nothing in between: what a format has no way to write is [`Unwritable`], never changed in silence.
#![forbid(unsafe_code)]

pub mod ini;
pub mod line;
pub mod nginx;
pub mod postgresql;
pub mod python;
pub mod shell;
pub mod sql;
pub mod unit;

/// A value that a format has no way to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be written into {format}: {reason}", value.escape_debug())]
pub struct Unwritable {
    /// What was to be written, such as "a systemd unit".
    pub format: &'static str,
    /// The value as it was given.
    pub value: String,
    /// What about the value the format cannot say.
    pub reason: &'static str,
}

impl Unwritable {
    pub(crate) fn new(format: &'static str, value: &str, reason: &'static str) -> Self {
        Self { format, value: value.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::Unwritable;

    #[test]
    fn an_error_shows_the_value_on_one_line() {
        let error = Unwritable::new("SQL", "a\n\0", "it holds a NUL");
        assert_eq!(error.to_string(), "`a\\n\\0` cannot be written into SQL: it holds a NUL");
    }
}
