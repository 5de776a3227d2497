//! Parsing a long lock on all cores.
//!
//! It is cut where the table of a secret begins. What is TOML in each part is TOML as a whole, and says the same: a
//! string that a cut went through has no end in the part before. Where any part is not, or two speak of the same
//! secret, nothing comes of it, and the whole is parsed at once, which tells why.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Deserialize;

use super::{Lock, LockedSecret};
use crate::SecretName;

/// How the table of a secret begins, after the end of a line.
const TABLE: &str = "\n[secret.";

/// A part that is not the first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    secret: BTreeMap<SecretName, LockedSecret>,
}

/// The lock, if it can be parsed in about `count` parts.
pub(super) fn parse(text: &str, count: usize) -> Option<Lock> {
    let mut parts = cut(text, count);
    let first = parts.next()?;
    let others: Vec<&str> = parts.collect();
    let (lock, others) = rayon::join(
        || toml::from_str::<Lock>(first).ok(),
        || {
            let others = others.into_par_iter().map(|part| toml::from_str::<Part>(part).ok());
            others.collect::<Option<Vec<_>>>()
        },
    );
    let (mut lock, others) = lock.zip(others)?;
    for part in others {
        let expected = lock.secrets.len() + part.secret.len();
        lock.secrets.extend(part.secret);
        if lock.secrets.len() != expected {
            return None;
        }
    }
    Some(lock)
}

/// Parts of about the same length, each but the first beginning with the table of a secret.
fn cut(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let length = text.len() / count.max(1);
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = match table_after(text, length) {
            Some(at) => (&text[..at], Some(&text[at..])),
            None => (text, None),
        };
        rest = after;
        Some(part)
    })
}

/// Where the first table of a secret begins after so many bytes.
fn table_after(text: &str, length: usize) -> Option<usize> {
    let length = (length..text.len()).find(|at| text.is_char_boundary(*at))?;
    let mut tables = text[length..].match_indices(TABLE).map(|(at, _)| length + at + 1);
    tables.find(|at| is_of_a_secret(&text[*at..]))
}

/// Whether a table is a secret's own, and not one in it, such as its facts.
fn is_of_a_secret(text: &str) -> bool {
    let name = text.lines().next().and_then(|line| line.strip_prefix("[secret.")?.strip_suffix(']'));
    let quoted =
        |name: &str| name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).map(str::to_owned);
    name.is_some_and(|name| match quoted(name) {
        Some(name) => !name.contains('"'),
        None => !name.contains(['.', '"', '\'', ' ']),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{cut, parse};
    use crate::lock::{Lock, LockError};

    const HEAD: &str =
        "version = 1\nid = \"a46bc74a70973a1912f7c54fa552c660\"\nserial = 1\nancestors = []\n\n[files]\n";
    const SECRET: &str = r#"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
recipients = []
created = 2026-11-22T23:54:53Z
rotated = 2026-11-22T23:54:53Z
origin = "imported"
"#;
    const FACTS: &str = r#"
kind = "private-key"
spki-sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

    fn text(names: &[&str]) -> String {
        let secret = |name: &&str| format!("\n[secret.{name}]{SECRET}\n[secret.{name}.facts]{FACTS}");
        HEAD.to_owned() + &names.iter().map(secret).collect::<String>()
    }

    /// Whatever the parts are, the lock is that of the whole.
    fn parsed(text: &str) -> Result<Lock, String> {
        let whole = toml::from_str::<Lock>(text).map_err(|error| error.to_string());
        for count in 1..20 {
            assert_eq!(cut(text, count).collect::<String>(), text);
            if let Some(lock) = parse(text, count) {
                assert_eq!(Ok(lock), whole, "{count} parts of {text}");
            }
        }
        whole
    }

    #[test]
    fn a_lock_is_what_it_is_as_a_whole() {
        let sound = text(&["a", "\"b/c\"", "\"b.d\"", "e-f"]);
        parsed(&sound).unwrap();
        assert!(cut(&sound, 8).count() > 2 && parse(&sound, 8).is_some());
        parsed(&text(&["a", "b", "\"a\""])).unwrap_err();
        parsed(&text(&["a", "b", "c"]).replace("[secret.b]", "[files]")).unwrap_err();
        parsed(&text(&["a", "b", "c"]).replace("[secret.b]", "[[secret]]")).unwrap_err();
        // A string with what looks like a table in it.
        for quote in ["\"\"\"", "'''"] {
            let inside = format!("[files]\nx = {quote}\n[secret.b]\nx = 1\n\n[secret.c]\n{quote}\n");
            parsed(&text(&["a", "d"]).replace("[files]\n", &inside)).unwrap_err();
        }
        let twice = HEAD.to_owned() + &text(&["a", "b"])[HEAD.len()..].repeat(99);
        assert!(matches!(Lock::parse(&twice), Err(LockError::Malformed { line: 9.., .. })));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_is_told_alike(
            at in 0_usize..2_000,
            put in "[\\[\\]\"'\n#.=a]{1,4}",
            cut in 0_usize..30,
        ) {
            let mut text = text(&["a", "\"b/c\"", "d", "\"e\""]);
            let at = at % text.len();
            text.replace_range(at..(at + cut).min(text.len()), &put);
            let _ = parsed(&text);
        }
    }
}
