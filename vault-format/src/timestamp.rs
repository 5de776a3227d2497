//! Moments in UTC, to the second, as the lock writes them (RFC 3339, a TOML offset date-time).

use std::{fmt, str::FromStr, time::SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use thiserror::Error;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// A moment in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The present moment.
    #[must_use]
    pub fn now() -> Self {
        Self::from(OffsetDateTime::now_utc())
    }

    /// The same moment for the `time` crate.
    #[must_use]
    pub fn date_time(self) -> OffsetDateTime {
        self.0
    }

    /// The date as eight digits, `YYYYMMDD`, in UTC: how `allowed_signers` writes it.
    #[must_use]
    pub fn date_digits(self) -> String {
        let date = self.0.date();
        format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
    }

    /// The same moment for the standard library.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        self.0.into()
    }
}

/// Rounds down to the second.
impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        let utc = moment.to_offset(UtcOffset::UTC);
        Self(utc.replace_nanosecond(0).unwrap_or(utc))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// A text that is no moment in UTC to the second.
#[derive(Debug, Error)]
#[error("not a moment such as 2026-11-22T13:51:00Z")]
pub struct TimestampError;

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let stamp = Self::from(moment);
        (stamp.to_string() == text).then_some(stamp).ok_or(TimestampError)
    }
}

/// A TOML offset date-time; for other formats use `Display`.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment: toml::value::Datetime = self.to_string().parse().map_err(S::Error::custom)?;
        moment.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::value::Datetime::deserialize(deserializer)?.to_string().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        let text = "2026-11-22T13:51:00Z";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        for other in
            ["2026-11-22T13:51:00.5Z", "2026-11-22T13:51:00+00:00", "2026-11-22T14:51:00+01:00", "2026-11-22"]
        {
            assert!(other.parse::<Timestamp>().is_err(), "{other} was taken");
        }
    }
}
