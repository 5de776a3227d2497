//! Calendar expressions of systemd.time(7), checked where there is no systemd to ask.
//!
//! `deploy check` has `systemd-analyze calendar` look at each as well; a test holds this against it.

use std::{borrow::Cow, fmt, ops::RangeInclusive};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong, quoted, text};

const SHORTHANDS: [&str; 10] = [
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "annually",
    "yearly",
    "midnight",
];
const WEEKDAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];

/// When something is to happen, again and again: `11:00`, `Mon..Fri 02:30`, `*-*-1 04:00 UTC`, `daily`.
///
/// It has no seconds' fractions and no local time zone but the machine's own or UTC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calendar(String);

impl Calendar {
    /// Checks an expression.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn new(expression: &str) -> Result<Self, &'static str> {
        let mut parts: Vec<&str> = expression.split(' ').filter(|part| !part.is_empty()).collect();
        if parts.last() == Some(&"UTC") {
            parts.pop();
        }
        match parts.as_slice() {
            [] => return Err("is empty"),
            [word] if SHORTHANDS.contains(&word.to_ascii_lowercase().as_str()) => {}
            parts => moment(parts)?,
        }
        match expression.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            true => Ok(Self(expression.to_owned())),
            false => Err("has characters that no calendar expression has"),
        }
    }

    /// An expression of our own, which is known to be one.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn known(expression: &'static str) -> Self {
        Self::new(expression).expect("an expression that we wrote is sound")
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[WEEKDAYS] [DATE] [TIME]`, at least one of them.
fn moment(parts: &[&str]) -> Result<(), &'static str> {
    let (weekdays, rest) = match parts {
        [first, rest @ ..] if first.starts_with(|c: char| c.is_ascii_alphabetic()) => (Some(*first), rest),
        rest => (None, rest),
    };
    let (date, time) = match rest {
        [] => (None, None),
        [one] if one.contains(':') => (None, Some(*one)),
        [one] => (Some(*one), None),
        [date, time] => (Some(*date), Some(*time)),
        _ => return Err("has more than weekdays, a date, a time and UTC"),
    };
    weekdays.map_or(Ok(()), weekdays_of)?;
    date.map_or(Ok(()), date_of)?;
    time.map_or(Ok(()), time_of)
}

fn weekdays_of(list: &str) -> Result<(), &'static str> {
    let is_day = |day: &str| {
        WEEKDAYS.iter().any(|(short, long)| day.eq_ignore_ascii_case(short) || day.eq_ignore_ascii_case(long))
    };
    let is_item = |item: &str| item.split("..").count() <= 2 && item.split("..").all(is_day);
    if list.split(',').all(is_item) {
        Ok(())
    } else {
        Err("has something that is no weekday, such as Mon or Mon..Fri")
    }
}

fn date_of(date: &str) -> Result<(), &'static str> {
    const YEARS: RangeInclusive<u32> = 1970..=2199;
    let (most, day) = date.rsplit_once(['-', '~']).ok_or("has a date other than [YEAR-]MONTH-DAY")?;
    let (year, month) = most.split_once('-').unwrap_or(("*", most));
    let fields = [(year, YEARS), (month, 1..=12), (day, 1..=31)];
    match fields.into_iter().all(|(field, range)| component(field, &range)) {
        true => Ok(()),
        false => Err("has a date other than [YEAR-]MONTH-DAY, each a number in range, * or a list of these"),
    }
}

fn time_of(time: &str) -> Result<(), &'static str> {
    let fields: Vec<&str> = time.split(':').collect();
    let is_sound = matches!(fields.len(), 2 | 3)
        && fields.iter().zip([0..=23, 0..=59, 0..=59]).all(|(field, range)| component(field, &range));
    if is_sound {
        Ok(())
    } else {
        Err("has a time other than HOUR:MINUTE[:SECOND], each a number in range, * or a list of these")
    }
}

/// A list of `*`, `N`, `N..M`, each with `/STEP`.
fn component(list: &str, range: &RangeInclusive<u32>) -> bool {
    let number = |text: &str| {
        let is_number = (1..=4).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().ok()).flatten()
    };
    let in_range = |text: &str| number(text).filter(|number| range.contains(number));
    list.split(',').all(|item| {
        let (value, step) = item.split_once('/').map_or((item, None), |(value, step)| (value, Some(step)));
        let steps_well = step.is_none_or(|step| number(step).is_some_and(|step| step > 0));
        steps_well
            && match value.split_once("..") {
                Some((from, to)) => {
                    matches!((in_range(from), in_range(to)), (Some(from), Some(to)) if from <= to)
                }
                None => value == "*" && list == item || in_range(value).is_some(),
            }
    })
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OptionValue for Calendar {
    fn expected() -> Cow<'static, str> {
        "a calendar time of systemd.time(7), such as \"11:00\" or \"Mon..Fri 02:30\"".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        Self::new(written).map_err(|why| Wrong::value::<Self>(format!("`{}` {why}", written.escape_debug())))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_takes_is_taken_and_what_it_refuses_is_refused() {
        for sound in [
            "11:00",
            "02:00:00",
            "daily",
            "Mon..Fri 02:30",
            "Sat,Sun 4:05",
            "*-*-1 04:00",
            "*-*~1",
            "2027-1..6-1,15 0:0",
            "*:0/15",
            "Mon *-*-* 09:00 UTC",
            "12-24",
            "Monday",
        ] {
            assert!(Calendar::new(sound).is_ok(), "{sound}");
        }
        for wrong in [
            "",
            " ",
            "25:00",
            "11:60",
            "11",
            "at noon",
            "Mun 11:00",
            "*-13-1",
            "*-*-0 11:00",
            "11:00 12:00",
            "*:0/0",
            "1..:00",
            "11:00\n",
            "11:00;",
            "5..3:00",
            "Mon..Tue..Wed",
            "11:00 Mars/Olympus",
        ] {
            assert!(Calendar::new(wrong).is_err(), "{wrong}");
        }
    }
}
