//! A day, a month or a year, as an auditor names it.

use std::str::FromStr;

use time::{Date, Duration, Month, OffsetDateTime, Time};
use vault_format::Timestamp;

/// From its first to its last second, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// As it was named.
    pub name: String,
    /// Its first second.
    pub from: Timestamp,
    /// Its last second.
    pub to: Timestamp,
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a day, a month or a year: 2026-03-14, 2026-03 or 2026";
        let parts: Vec<&str> = text.split('-').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !parts.iter().all(is_number) || parts.first().is_none_or(|year| year.len() != 4) {
            return Err(wrong);
        }
        let number = |at: usize| parts.get(at).map(|part| part.parse::<u16>().map_err(|_| wrong)).transpose();
        let year = i32::from(number(0)?.ok_or(wrong)?);
        let month = number(1)?
            .map(|month| u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok()).ok_or(wrong))
            .transpose()?;
        let day = number(2)?.map(|day| u8::try_from(day).map_err(|_| wrong)).transpose()?;
        let (first, last) = match (month, day, parts.len()) {
            (None, None, 1) => (date(year, Month::January, 1), date(year, Month::December, 31)),
            (Some(month), None, 2) => (date(year, month, 1), date(year, month, month.length(year))),
            (Some(month), Some(day), 3) => (date(year, month, day), date(year, month, day)),
            _ => return Err(wrong),
        };
        let (first, last) = first.zip(last).ok_or(wrong)?;
        let midnight = |date: Date| OffsetDateTime::new_utc(date, Time::MIDNIGHT);
        let end = midnight(last) + Duration::days(1) - Duration::seconds(1);
        Ok(Self { name: text.to_owned(), from: midnight(first).into(), to: end.into() })
    }
}

fn date(year: i32, month: Month, day: u8) -> Option<Date> {
    // The last year ends with the last moment that can be written.
    (year < 9999).then(|| Date::from_calendar_date(year, month, day).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::Period;

    #[test]
    fn a_period_is_from_its_first_to_its_last_second() {
        for (name, from, to) in [
            ("2026-03-14", "2026-03-14T00:00:00Z", "2026-03-14T23:59:59Z"),
            ("2028-02", "2028-02-01T00:00:00Z", "2028-02-29T23:59:59Z"),
            ("2026", "2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z"),
        ] {
            let period: Period = name.parse().expect(name);
            assert_eq!((period.from.to_string(), period.to.to_string()), (from.into(), to.into()));
        }
        for wrong in [
            "",
            "march",
            "26",
            "2026-13",
            "2026-02-30",
            "2026-3-",
            "+2026",
            "2026-01-01-01",
            "9999",
            "20260314",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }
}
