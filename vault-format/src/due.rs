//! What of a vault is due: values to change, and secrets and certificates that end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{SecretName, Timestamp, Verified, facts::Facts, lock::LockedSecret, policy::Rotation};

/// How long before its end something is due: 30 days, the time in which certificates are renewed.
pub const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One thing that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The secret.
    pub name: SecretName,
    /// What is due of it.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// The URL or runbook that says how to change the value.
    pub instructions: Option<String>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The value has been in use as long as the policy lets it (`rotate-after`).
    Rotation,
    /// The value is of no use from then on (`expires`).
    Expiry,
    /// The certificate is not valid from then on.
    Certificate,
}

impl What {
    /// As JSON and other formats for programs have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Expiry => "expiry",
            Self::Certificate => "certificate",
        }
    }

    /// From when on something is due that comes `at` a moment: what ends, [`NOTICE`] before; what is to be rotated,
    /// from that day on.
    #[must_use]
    pub fn is_due(self, at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Rotation => at <= now,
            Self::Expiry | Self::Certificate => at <= now.after(NOTICE),
        }
    }
}

impl Due {
    /// What is due, and when, in words for people: `certificate ends on 2026-12-01`.
    #[must_use]
    pub fn describe(&self, now: Timestamp) -> String {
        let day = self.at.date_time().date();
        let what = match (self.what, self.at <= now) {
            (What::Rotation, _) => format!("to be changed since {day}"),
            (What::Expiry, true) => format!("expired on {day}"),
            (What::Expiry, false) => format!("expires on {day}"),
            (What::Certificate, true) => format!("certificate ended on {day}"),
            (What::Certificate, false) => format!("certificate ends on {day}"),
        };
        let instructions = self.instructions.as_ref().map(|text| format!(": {text}"));
        what + &instructions.unwrap_or_default()
    }
}

/// When the first secret or certificate of the vault ends, if any does.
#[must_use]
pub fn first_end(vault: &Verified) -> Option<Timestamp> {
    let ends =
        vault.lock().secrets.iter().flat_map(|(name, secret)| {
            [vault.policy().secret(name).rotation.expires, certificate_end(secret)]
        });
    ends.flatten().min()
}

pub(crate) fn certificate_end(secret: &LockedSecret) -> Option<Timestamp> {
    match &secret.facts {
        Some(Facts::Certificate(facts)) => Some(facts.not_after),
        _ => None,
    }
}

/// Everything of the vault that is due at the moment `now`, by [`What::is_due`].
#[must_use]
pub fn due(vault: &Verified, now: Timestamp) -> Vec<Due> {
    all(vault).filter(|due| due.what.is_due(due.at, now)).collect()
}

/// Everything of the vault that ends or is to be changed some day, from the first to be due on, but no more than
/// `most`.
#[must_use]
pub fn first(vault: &Verified, most: usize) -> Vec<Due> {
    let mut found: Vec<Due> = all(vault).collect();
    let is_due = |due: &Due| match due.what {
        What::Rotation => due.at.after(NOTICE),
        What::Expiry | What::Certificate => due.at,
    };
    found.sort_by(|one, other| (is_due(one), &one.name).cmp(&(is_due(other), &other.name)));
    found.truncate(most);
    found
}

fn all(vault: &Verified) -> impl Iterator<Item = Due> {
    let secrets = vault.lock().secrets.iter();
    secrets.flat_map(|(name, secret)| of_secret(name, secret, &vault.policy().secret(name).rotation))
}

/// Everything of one secret that ends or is to be changed some day.
pub(crate) fn of_secret(
    name: &SecretName,
    secret: &LockedSecret,
    rotation: &Rotation,
) -> impl Iterator<Item = Due> {
    let moments = [
        (What::Rotation, rotation.after.map(|after| secret.rotated.after(after))),
        (What::Expiry, rotation.expires),
        (What::Certificate, certificate_end(secret)),
    ];
    moments.into_iter().filter_map(move |(what, at)| {
        Some(Due { name: name.clone(), what, at: at?, instructions: rotation.at.clone() })
    })
}
