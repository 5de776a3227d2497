//! Moments in UTC, to the second, as the lock writes them (RFC 3339, a TOML offset date-time).

use std::{
    fmt,
    ops::Range,
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use thiserror::Error;
use time::{
    Date, Month, OffsetDateTime, Time, UtcOffset, format_description::well_known::Rfc3339, macros::datetime,
};

const FIRST: OffsetDateTime = datetime!(0000-01-01 00:00:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

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

    /// The moment so much later, or the last one that can be written.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let span = time::Duration::try_from(span).unwrap_or(time::Duration::MAX);
        self.0.checked_add(span).map_or(Self(LAST), Self::from)
    }

    /// The same moment for the standard library.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        self.0.into()
    }
}

/// Rounds down to the second. Outside of the years 0 to 9999, which are all that RFC 3339 can
/// write, it is the nearest moment within: an offset from UTC may lead there.
impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        let nearest = if moment.year() > 0 { LAST } else { FIRST };
        let utc = moment.checked_to_offset(UtcOffset::UTC).unwrap_or(nearest).clamp(FIRST, LAST);
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
        one_spelling(text).ok_or(TimestampError)
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`, to the byte.
fn one_spelling(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    let number = |digits: Range<usize>| {
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        bytes[digits].iter().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
    };
    let two = |at: usize| number(at..at + 2).and_then(|number| u8::try_from(number).ok());
    if marks.iter().any(|&(at, mark)| bytes[at] != mark) {
        return None;
    }
    let month = Month::try_from(two(5)?).ok()?;
    let date = Date::from_calendar_date(number(0..4)?.into(), month, two(8)?).ok()?;
    let time = Time::from_hms(two(11)?, two(14)?, two(17)?).ok()?;
    Some(Timestamp(date.with_time(time).assume_utc()))
}

/// A TOML offset date-time; for other formats use `Display`.
/// Writes a moment as text (RFC 3339), where the format has no moments of its own: for `serialize_with`.
///
/// # Errors
///
/// If the serializer fails.
pub fn as_text<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

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
    use proptest::prelude::*;
    use time::UtcOffset;

    use super::*;

    #[test]
    fn has_one_spelling() {
        let text = "2026-11-22T13:51:00Z";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        for other in [
            "2026-11-22T13:51:00.5Z",
            "2026-11-22T13:51:00+00:00",
            "2026-11-22T14:51:00+01:00",
            "2026-11-22",
            "9999-12-31T23:59:59-23:59",
            "0000-01-01T00:00:00+23:59",
        ] {
            assert!(other.parse::<Timestamp>().is_err(), "{other} was taken");
        }
    }

    #[test]
    fn later_is_never_beyond_the_calendar() {
        let day = Duration::from_secs(24 * 60 * 60);
        let stamp: Timestamp = "2026-12-31T13:51:00Z".parse().unwrap();
        assert_eq!(stamp.after(day).to_string(), "2027-01-01T13:51:00Z");
        assert_eq!(stamp.after(Duration::from_nanos(1)), stamp);
        assert_eq!(stamp.after(Duration::MAX), Timestamp(LAST));
        assert_eq!(stamp.after(day * 366 * 8_000), Timestamp(LAST));
    }

    proptest! {
        #[test]
        fn any_moment_anywhere_is_written_and_reads_back(
            second in -377_705_116_800_i64..=253_402_300_799,
            nanosecond in 0..1_000_000_000_u32,
            offset in -86_399..=86_399_i32,
        ) {
            let utc = OffsetDateTime::from_unix_timestamp(second).unwrap().replace_nanosecond(nanosecond).unwrap();
            let offset = UtcOffset::from_whole_seconds(offset).unwrap();
            let local = utc.date().with_time(utc.time()).assume_offset(offset);
            let stamp = Timestamp::from(local);
            prop_assert_eq!(stamp.to_string().parse::<Timestamp>().unwrap(), stamp);
            if let Some(utc) = local.checked_to_offset(UtcOffset::UTC).filter(|utc| (0..=9999).contains(&utc.year())) {
                prop_assert_eq!(stamp.date_time().unix_timestamp(), utc.unix_timestamp());
            }
        }

        #[test]
        fn text_is_a_moment_in_one_spelling_or_refused(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](Z|[+-][0-2][0-9]:[0-5][0-9])",
        ) {
            if let Ok(stamp) = text.parse::<Timestamp>() {
                prop_assert_eq!(stamp.to_string(), text.as_str());
                let same = OffsetDateTime::parse(&text, &Rfc3339).map(Timestamp::from);
                prop_assert_eq!(same.ok(), Some(stamp));
            }
        }
    }
}
