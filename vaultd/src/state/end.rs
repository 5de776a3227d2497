//! When what of a vault ends, or is to be changed.

use serde::{Deserialize, Serialize};
use vault_format::due::{self, Due, What};
use vault_format::{SecretName, Timestamp, Verified, report};

use super::moment;

/// Most of them that are remembered of a vault: more than anybody looks at.
const MOST: usize = 1000;

/// Something of a vault that ends, or is to be changed, some day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Of what.
    pub secret: SecretName,
    /// `rotation`, `expiry` or `certificate`.
    pub what: What,
    /// As in `2026-11-22T13:51:00Z`.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The policy's `rotate-at`, in one line that a terminal may show.
    pub instructions: Option<String>,
}

impl End {
    /// Those of a vault, from the first to be due on.
    #[must_use]
    pub fn of(vault: &Verified) -> Vec<Self> {
        let line = |text: String| report::visible(&text).replace('\n', " ");
        let end = |Due { name, what, at, instructions }| Self {
            secret: name,
            what,
            at,
            instructions: instructions.map(line),
        };
        due::first(vault, MOST).into_iter().map(end).collect()
    }

    /// What of them is due at the moment `now`, in words.
    #[must_use]
    pub fn due(ends: &[Self], now: Timestamp) -> Vec<String> {
        let due = ends.iter().filter(|end| end.what.is_due(end.at, now));
        let mut due: Vec<String> = due.map(|end| end.describe(now)).collect();
        if due.len() == MOST {
            due.push(format!("only the first {MOST} are listed: `vaultgen status` has all"));
        }
        due
    }

    fn describe(&self, now: Timestamp) -> String {
        let Self { secret, what, at, instructions } = self.clone();
        let due = Due { name: secret, what, at, instructions };
        format!("{}: {}", due.name, due.describe(now))
    }
}

#[cfg(test)]
mod tests {
    use super::{End, MOST, What};

    fn end(what: What, at: &str) -> End {
        let (secret, at) = ("a/b".parse().expect("a name"), at.parse().expect("a moment"));
        End { secret, what, at, instructions: None }
    }

    #[test]
    fn what_is_due_is_told_by_the_clock_of_who_asks() {
        let ends = [
            end(What::Expiry, "2026-12-31T00:00:00Z"),
            end(What::Rotation, "2026-12-02T00:00:00Z"),
            end(What::Certificate, "2027-01-02T00:00:00Z"),
        ];
        let due = |now: &str| End::due(&ends, now.parse().expect("a moment"));
        assert!(due("2026-11-30T23:59:59Z").is_empty());
        assert_eq!(due("2026-12-01T00:00:00Z"), ["a/b: expires on 2026-12-31"]);
        let later = ["a/b: expires on 2026-12-31", "a/b: to be changed since 2026-12-02"];
        assert_eq!(due("2026-12-02T00:00:00Z"), later);
        assert_eq!(due("2026-12-03T00:00:00Z").len(), 3);
    }

    #[test]
    fn that_there_may_be_more_is_said() {
        let ends = vec![end(What::Rotation, "2026-01-01T00:00:00Z"); MOST];
        let due = |ends| End::due(ends, "2026-01-02T00:00:00Z".parse().expect("a moment"));
        assert_eq!(due(&ends).len(), MOST + 1);
        assert!(due(&ends)[MOST].contains("only the first"), "{}", due(&ends)[MOST]);
        assert_eq!(due(&ends[1..]).len(), MOST - 1);
    }
}
