//! When the value of a secret is to be changed.

use std::{str::FromStr, time::Duration};

use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use toml::{
    Spanned,
    value::{Datetime, Offset, Time},
};

use super::{error::Fault, raw};
use crate::Timestamp;

/// When the value of a secret is to be changed, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// So long after its last change.
    pub after: Option<Duration>,
    /// The URL or runbook that says how.
    pub at: Option<String>,
    /// From then on it is of no use.
    pub expires: Option<Timestamp>,
}

impl Rotation {
    pub(super) fn of(table: &raw::Secret) -> Result<Self, Fault> {
        Ok(Self {
            after: table.rotate_after.as_ref().map(span).transpose()?,
            at: table.rotate_at.clone(),
            expires: table.expires.as_ref().map(moment).transpose()?,
        })
    }
}

fn span(text: &Spanned<String>) -> Result<Duration, Fault> {
    humantime::parse_duration(text.get_ref())
        .map_err(|_| Fault::at(text.span(), "this is no span of time").help("write a span such as \"180d\""))
}

/// The start of a day, or a moment on it, in UTC where nothing else is said.
fn moment(date: &Spanned<Datetime>) -> Result<Timestamp, Fault> {
    at(*date.get_ref()).ok_or_else(|| {
        Fault::at(date.span(), "this is no day of the calendar").help("write a date such as 2027-03-01")
    })
}

fn at(given: Datetime) -> Option<Timestamp> {
    let midnight = Time { hour: 0, minute: 0, second: Some(0), nanosecond: Some(0) };
    let whole = Datetime {
        date: Some(given.date?),
        time: Some(given.time.unwrap_or(midnight)),
        offset: Some(given.offset.unwrap_or(Offset::Z)),
    };
    OffsetDateTime::parse(&whole.to_string(), &Rfc3339).map(Timestamp::from).ok()
}

/// The day or moment from which a secret is of no use, as the policy writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expiry(Datetime);

impl Eq for Expiry {}

impl Expiry {
    pub(super) fn date(self) -> Datetime {
        self.0
    }
}

impl FromStr for Expiry {
    type Err = ExpiryError;

    fn from_str(text: &str) -> Result<Self, ExpiryError> {
        let date: Datetime = text.parse().map_err(|_| ExpiryError)?;
        at(date).map(|_| Self(date)).ok_or(ExpiryError)
    }
}

/// A text that is no day.
#[derive(Debug, Error)]
#[error("not a day of the calendar such as 2027-03-01")]
pub struct ExpiryError;
