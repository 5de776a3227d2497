//! What people looked at and let be: findings that a report is to pass over, each at one place, with a reason, for a
//! while.
//!
//! ```toml
//! [[allow]]
//! code = "plaintext-private-key"
//! place = "tests/keys/a.pem"        # or "tests/keys/**" for everything below
//! secret = "certs/a-key.pem"        # optional: only for this one
//! reason = "made for the tests; opens nothing"
//! until = 2027-01-01                # the last day, in UTC
//! ```

use std::{ops::Range, sync::Arc};

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Deserialize;
use thiserror::Error;
use time::{Date, Month};
use toml::{Spanned, value::Datetime};

use crate::Timestamp;

/// Most bytes of such a list: some thousand findings.
pub const MAX_BYTES: usize = 1 << 20;
/// What a place ends with that means everything below.
const BELOW: &str = "/**";

/// The findings that are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Allowance>);

/// One finding that is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The finding's code, such as `plaintext-private-key`.
    pub code: String,
    /// The path of a file, or of a folder with `/**` behind it.
    pub place: String,
    /// The secret that the finding has to be about.
    pub secret: Option<String>,
    /// Why nobody has to care.
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub until: Date,
}

impl AllowList {
    /// Parses the text of a list; `file_name` is for messages.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line and what to write instead.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, AllowError> {
        let parse = || {
            if text.len() > MAX_BYTES {
                return Err(Fault {
                    span: None,
                    message: "the list is longer than 1 MiB".to_owned(),
                    help: None,
                });
            }
            let raw: Raw = toml::from_str(text)?;
            raw.allow.into_iter().map(Allowance::of).collect()
        };
        parse().map(Self).map_err(|fault: Fault| fault.in_text(text, file_name))
    }

    /// The allowance for a finding at a place, if there is one that holds `today`. `place` is a path with `/` between
    /// its parts, relative to the top of the repository.
    #[must_use]
    pub fn covers(
        &self,
        code: &str,
        place: &str,
        secret: Option<&str>,
        today: Timestamp,
    ) -> Option<&Allowance> {
        self.0.iter().find(|allowed| {
            let is_meant = allowed.secret.is_none() || allowed.secret.as_deref() == secret;
            allowed.code == code && is_meant && allowed.is_for(place) && !allowed.has_ended(today)
        })
    }

    /// All of them, in the order in which they are written.
    #[must_use]
    pub fn allowances(&self) -> &[Allowance] {
        &self.0
    }
}

impl Allowance {
    fn of(raw: RawAllowance) -> Result<Self, Fault> {
        let text = |field: &Spanned<String>, fits: &dyn Fn(&str) -> bool, message: &str, help: &str| {
            if fits(field.get_ref()) {
                Ok(field.get_ref().clone())
            } else {
                Err(Fault::at(field.span(), message, help))
            }
        };
        let is_code = |code: &str| {
            !code.is_empty()
                && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_said = |reason: &str| !reason.trim().is_empty();
        Ok(Self {
            code: text(
                &raw.code,
                &is_code,
                "this is no code of a finding",
                "write it as the report does, such as \"plaintext-private-key\"",
            )?,
            place: text(
                &raw.place,
                &is_place,
                "this is no path within the repository",
                "write \"tests/keys/a.pem\", or \"tests/keys/**\" for everything below",
            )?,
            secret: raw.secret,
            reason: text(
                &raw.reason,
                &is_said,
                "no reason is given",
                "say why nobody has to care: others will read it",
            )?,
            until: day(&raw.until)?,
        })
    }

    /// Whether its last day is over.
    #[must_use]
    pub fn has_ended(&self, today: Timestamp) -> bool {
        today.date_time().date() > self.until
    }

    fn is_for(&self, place: &str) -> bool {
        match self.place.strip_suffix(BELOW) {
            Some(folder) => place.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
            None => place == self.place,
        }
    }
}

/// Whether it is one path as Git writes it. A star elsewhere than at the end would mean nothing, and seem to mean much.
fn is_place(place: &str) -> bool {
    let path = place.strip_suffix(BELOW).unwrap_or(place);
    !path.contains('*') && path.split('/').all(|part| !["", ".", ".."].contains(&part))
}

fn day(given: &Spanned<Datetime>) -> Result<Date, Fault> {
    let datetime = given.get_ref();
    let date = datetime.date.filter(|_| datetime.time.is_none() && datetime.offset.is_none());
    let date = date.and_then(|date| {
        let month = Month::try_from(date.month).ok()?;
        Date::from_calendar_date(date.year.into(), month, date.day).ok()
    });
    date.ok_or_else(|| {
        Fault::at(given.span(), "this is no day of the calendar", "write a date such as 2027-03-01")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    allow: Vec<RawAllowance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllowance {
    code: Spanned<String>,
    place: Spanned<String>,
    secret: Option<String>,
    reason: Spanned<String>,
    until: Spanned<Datetime>,
}

/// Something wrong in such a list: where, what, and what to write instead.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct AllowError {
    message: String,
    #[source_code]
    source_code: Option<Arc<NamedSource<String>>>,
    #[label]
    span: Option<SourceSpan>,
    #[help]
    help: Option<String>,
}

/// What is wrong, before the text of the file is joined to it.
struct Fault {
    span: Option<Range<usize>>,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn at(span: Range<usize>, message: &str, help: &str) -> Self {
        Self { span: Some(span), message: message.to_owned(), help: Some(help.to_owned()) }
    }

    fn in_text(self, text: &str, file_name: &str) -> AllowError {
        let source = || Arc::new(NamedSource::new(file_name, text.to_owned()));
        AllowError {
            message: self.message,
            source_code: self.span.is_some().then(source),
            span: self.span.map(SourceSpan::from),
            help: self.help,
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        let help = "each [[allow]] has code, place, reason and until, and may have secret";
        Self { span: error.span(), message, help: Some(help.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;

    const LIST: &str = "\
[[allow]]
code = \"plaintext-private-key\"
place = \"tests/keys/a.pem\"
reason = \"made for the tests\"
until = 2027-01-01

[[allow]]
code = \"plaintext-age-identity\"
place = \"tests/**\"
secret = \"a\"
reason = \"made for the tests\"
until = 2027-01-01
";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn covers_what_it_names_and_no_more() {
        let list = AllowList::parse(LIST, "allow.toml").unwrap();
        let today = at("2026-12-01T12:00:00Z");
        let covers = |code, place, secret, at| list.covers(code, place, secret, at).is_some();
        let key = "plaintext-private-key";
        assert!(covers(key, "tests/keys/a.pem", None, today));
        assert!(covers(key, "tests/keys/a.pem", Some("b"), today));
        for place in
            ["tests/keys/a.pem2", "tests/keys", "a.pem", "x/tests/keys/a.pem", "tests/keys/a.pem/b", ""]
        {
            assert!(!covers(key, place, None, today), "{place}");
        }
        let identity = "plaintext-age-identity";
        assert!(!covers(identity, "tests/keys/a.pem", None, today));
        assert!(!covers(identity, "tests/keys/a.pem", Some("b"), today));
        for place in ["tests/a", "tests/keys/a"] {
            assert!(covers(identity, place, Some("a"), today), "{place}");
        }
        for place in ["tests", "tests2/a", "other/tests/a"] {
            assert!(!covers(identity, place, Some("a"), today), "{place}");
        }
        // The last day counts, whatever the hour.
        assert!(covers(key, "tests/keys/a.pem", None, at("2027-01-01T23:59:59Z")));
        assert!(!covers(key, "tests/keys/a.pem", None, at("2027-01-02T00:00:00Z")));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (from, to, line, what) in [
            ("reason = \"made for the tests\"", "reason = \" \"", 4, "no reason is given"),
            ("reason = \"made for the tests\"", "", 1, "missing field `reason`"),
            ("until = 2027-01-01", "", 1, "missing field `until`"),
            ("until = 2027-01-01", "until = \"2027-01-01\"", 5, "invalid type"),
            ("until = 2027-01-01", "until = 2027-01-01T00:00:00Z", 5, "no day of the calendar"),
            ("until = 2027-01-01", "until = 2027-01-01\nwho = \"me\"", 6, "unknown field `who`"),
            ("tests/keys/a.pem", "tests/*.pem", 3, "no path within"),
            ("tests/keys/a.pem", "/tests/a", 3, "no path within"),
            ("tests/keys/a.pem", "tests/../a", 3, "no path within"),
            ("tests/keys/a.pem", "/**", 3, "no path within"),
            ("tests/keys/a.pem", "**", 3, "no path within"),
            ("tests/keys/a.pem", "", 3, "no path within"),
            ("plaintext-private-key", "Any key", 2, "no code of a finding"),
            ("[[allow]]", "[[allowed]]", 1, "unknown field `allowed`"),
        ] {
            let text = LIST.replacen(from, to, 1);
            let shown = report::render(&AllowList::parse(&text, "allow.toml").unwrap_err());
            assert!(shown.contains(what) && shown.contains(&format!("allow.toml:{line}:")), "{shown}");
            assert!(shown.contains("hint: "), "{shown}");
        }
        assert_eq!(AllowList::parse("", "allow.toml").unwrap(), AllowList::default());
        assert!(AllowList::parse(&"#".repeat(MAX_BYTES + 1), "allow.toml").is_err());
    }
}
