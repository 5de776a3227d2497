//! What of a vault is due: values to change, and secrets and certificates that end.

use std::time::Duration;

use crate::{SecretName, Timestamp, Verified, facts::Facts, lock::LockedSecret};

/// How long before its end something is due: 30 days, the time in which certificates are renewed.
pub const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One thing that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The secret.
    pub name: SecretName,
    /// What is due of it.
    pub what: What,
    /// When: in the past, or within [`NOTICE`].
    pub at: Timestamp,
    /// The URL or runbook that says how to change the value.
    pub instructions: Option<String>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The value has been in use as long as the policy lets it (`rotate-after`).
    Rotation,
    /// The value is of no use from then on (`expires`).
    Expiry,
    /// The certificate is not valid from then on.
    Certificate,
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

fn certificate_end(secret: &LockedSecret) -> Option<Timestamp> {
    match &secret.facts {
        Some(Facts::Certificate(facts)) => Some(facts.not_after),
        _ => None,
    }
}

/// Everything of the vault that is due at the moment `now`: what ends, 30 days before; what is to be
/// rotated, from that day on.
#[must_use]
pub fn due(vault: &Verified, now: Timestamp) -> Vec<Due> {
    let mut found = Vec::new();
    for (name, secret) in &vault.lock().secrets {
        let rotation = &vault.policy().secret(name).rotation;
        let certificate = certificate_end(secret);
        let rotated = rotation.after.map(|after| secret.rotated.after(after));
        let moments = [
            (What::Rotation, rotated.filter(|at| *at <= now)),
            (What::Expiry, rotation.expires),
            (What::Certificate, certificate),
        ];
        for (what, at) in moments {
            let Some(at) = at.filter(|at| *at <= now.after(NOTICE)) else { continue };
            found.push(Due { name: name.clone(), what, at, instructions: rotation.at.clone() });
        }
    }
    found
}
