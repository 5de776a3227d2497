//! What somebody let in once.

use std::fs;

use rustix::process::{Uid, getuid};
use serde::{Deserialize, Serialize};
use vault_format::Timestamp;

use super::moment;

/// Which state may follow although it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exception {
    /// The older state with this serial.
    Serial(u64),
    /// One that does not descend from what was accepted last, or of another vault.
    NewHistory,
}

/// An exception, who made it, and when. The next state that needs it uses it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Waiver {
    /// Tells it from an equal one that was used up: one more than that had.
    pub number: u64,
    /// What it lets in.
    pub exception: Exception,
    /// Who ran the command.
    pub by: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
}

impl Waiver {
    /// A waiver by whoever runs this program, after the `last` one that there was.
    #[must_use]
    pub fn after(last: Option<&Self>, exception: Exception) -> Self {
        let number = last.map_or(1, |last| last.number.saturating_add(1));
        Self { number, exception, by: somebody(), at: Timestamp::now() }
    }
}

/// The user, and who that was at login (audit(7)), since sudo(8) makes everybody root.
fn somebody() -> String {
    let user = name(getuid());
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    match login.filter(|number| *number != u32::MAX).map(Uid::from_raw) {
        Some(login) if login != getuid() => format!("{user}, logged in as {}", name(login)),
        _ => user,
    }
}

fn name(user: Uid) -> String {
    let found = nix::unistd::User::from_uid(user.as_raw().into()).ok().flatten();
    found.map_or_else(|| user.to_string(), |user| user.name)
}
