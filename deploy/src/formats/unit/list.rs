//! How each directive reads its list. systemd.syntax(7) promises quotes where a directive documents them; what
//! each one does was read from `load-fragment.c` of systemd 257, Debian 13's, and is held against 252 by tests.

use super::{
    FORMAT, Unwritable,
    word::{Word, quoted},
};

/// Names of units: no quotes, and a backslash is part of the name (`dev-disk\x2dby.mount`).
const NAMES: [&str; 20] = [
    "After",
    "Also",
    "Before",
    "BindsTo",
    "Conflicts",
    "JoinsNamespaceOf",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "RequiredBy",
    "Requires",
    "Requisite",
    "StopPropagatedFrom",
    "Upholds",
    "UpheldBy",
    "WantedBy",
    "Wants",
];

/// Quotes, and a backslash that takes the next character as it is.
const QUOTED: [&str; 8] = [
    "ExecPaths",
    "InaccessiblePaths",
    "NoExecPaths",
    "PassEnvironment",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RequiresMountsFor",
    "WantsMountsFor",
];

/// The same for each of the pieces between colons, which are not seen within quotes.
const PIECES: [&str; 2] = ["BindPaths", "BindReadOnlyPaths"];

/// Quotes, then the word is read a second time for its pieces: what is escaped for one is not for the other.
const TWICE: [&str; 6] = [
    "CacheDirectory",
    "ConfigurationDirectory",
    "LogsDirectory",
    "RuntimeDirectory",
    "StateDirectory",
    "TemporaryFileSystem",
];

/// A way to read a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Names,
    Quoted,
    Pieces,
    Twice,
    /// Any other: what means the same to every one of them.
    Plain,
}

impl List {
    pub(super) fn of(key: &str) -> Self {
        let kinds = [
            (Self::Names, &NAMES[..]),
            (Self::Quoted, &QUOTED),
            (Self::Pieces, &PIECES),
            (Self::Twice, &TWICE),
        ];
        kinds.into_iter().find(|(_, keys)| keys.contains(&key)).map_or(Self::Plain, |(kind, _)| kind)
    }

    /// The word as it is written, or why this list cannot have it.
    pub(super) fn word(self, word: &Word) -> Result<String, Unwritable> {
        let (literal, text) = word.parts();
        let whole = word.whole();
        if let Some(reason) = self.objection(&whole, text) {
            return Err(Unwritable::new(FORMAT, &whole, reason));
        }
        let written = format!("{literal}{}", text.replace('%', "%%"));
        Ok(match self {
            Self::Names | Self::Plain => written,
            Self::Quoted | Self::Twice => quoted(&written),
            Self::Pieces => written.split(':').map(piece).collect::<Vec<String>>().join(":"),
        })
    }

    fn objection(self, whole: &str, text: &str) -> Option<&'static str> {
        if whole.is_empty() {
            return Some("it is empty, which is no word of a list");
        }
        if whole.chars().any(char::is_control) {
            return Some("it holds a line break or another control character");
        }
        match self {
            Self::Names if !text.chars().all(is_name) => Some("it holds what no name of a unit can hold"),
            Self::Names if whole.ends_with('\\') => Some("the backslash at its end would continue the line"),
            Self::Plain if !text.chars().all(is_plain) => {
                Some("it holds more than the plain characters of this list")
            }
            Self::Twice if whole.contains(['"', '\\']) => {
                Some("it holds a double quote or a backslash, for which this list has no escape")
            }
            _ => None,
        }
    }
}

/// Between colons, nothing is an option that was left out.
fn piece(piece: &str) -> String {
    if piece.is_empty() { String::new() } else { quoted(piece) }
}

/// The characters of systemd.unit(5).
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || ":-_.\\@".contains(c)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./@:+=,~".contains(c)
}
