//! How each directive reads its list. systemd.syntax(7) has quotes where a directive documents them; what each one
//! does was read from `load-fragment.c` of systemd 257, Debian 13's, and is tested with the systemd at hand.

use super::{
    FORMAT, Unwritable,
    word::{Word, in_quotes, path_objection, quoted},
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

/// Paths in quotes, where a backslash takes the next character as it is.
const PATHS: [&str; 7] = [
    "ExecPaths",
    "InaccessiblePaths",
    "NoExecPaths",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RequiresMountsFor",
    "WantsMountsFor",
];

/// The same, in pieces between colons.
const BINDS: [&str; 2] = ["BindPaths", "BindReadOnlyPaths"];

/// Folders in quotes, of which each is read a second time for its pieces: what is escaped for one reading is not
/// for the other.
const FOLDERS: [&str; 5] =
    ["CacheDirectory", "ConfigurationDirectory", "LogsDirectory", "RuntimeDirectory", "StateDirectory"];

/// From 254 on, systemd writes what it read for the process that sets up a service, without quoting this.
const QUOTE_IN_BIND: &str =
    "it holds a quote, which systemd reads in a bind mount but loses before it mounts";

/// A way to read a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Names,
    Paths,
    Binds,
    Folders,
    /// Any other: no more than what means the same to every one of them.
    Plain,
}

impl List {
    pub(super) fn of(key: &str) -> Self {
        let kinds = [
            (Self::Names, &NAMES[..]),
            (Self::Paths, &PATHS),
            (Self::Binds, &BINDS),
            (Self::Folders, &FOLDERS),
        ];
        kinds.into_iter().find(|(_, keys)| keys.contains(&key)).map_or(Self::Plain, |(kind, _)| kind)
    }

    /// One of the two paths of a bind mount, where colons may be, since it has its own quotes.
    pub(super) fn bind(word: &Word) -> Result<String, Unwritable> {
        if word.parts().1.contains(['"', '\'']) {
            return Err(Unwritable::new(FORMAT, word.parts().1, QUOTE_IN_BIND));
        }
        let written = Self::Paths.word(word)?;
        // Without quotes they would separate.
        Ok(if written.contains(':') && !written.starts_with('"') { in_quotes(&written) } else { written })
    }

    /// The word as it is written, or why this list cannot have it. Only anybody's part is judged.
    pub(super) fn word(self, word: &Word) -> Result<String, Unwritable> {
        let (literal, text) = word.parts();
        if let Some(reason) = self.objection(literal, text) {
            return Err(Unwritable::new(FORMAT, text, reason));
        }
        let written = format!("{literal}{}", text.replace('%', "%%"));
        Ok(match self {
            Self::Names | Self::Plain => written,
            Self::Paths | Self::Folders => quoted(&written),
            // In quotes a colon separates nothing, so each piece has its own.
            Self::Binds => written.split(':').map(piece).collect::<Vec<String>>().join(":"),
        })
    }

    fn objection(self, literal: &str, text: &str) -> Option<&'static str> {
        if literal.is_empty() && text.is_empty() {
            return Some("it is empty, which is no word of a list");
        }
        if text.chars().any(char::is_control) {
            return Some("it holds a line break or another control character");
        }
        let is_path = matches!(self, Self::Paths | Self::Binds);
        if is_path && literal.is_empty() && !text.starts_with('/') {
            return Some("it is no absolute path");
        }
        if let Some(reason) = path_objection(text).filter(|_| is_path || self == Self::Folders) {
            return Some(reason);
        }
        match self {
            Self::Names if !text.chars().all(is_name) => Some("it holds what no name of a unit can hold"),
            Self::Names if text.ends_with('\\') => Some("the backslash at its end would continue the line"),
            Self::Plain if !text.chars().all(is_plain) => {
                Some("it holds more than the plain characters of this list")
            }
            Self::Binds if text.contains(':') => Some("its colons would separate source and destination"),
            Self::Binds if text.contains(['"', '\'']) => Some(QUOTE_IN_BIND),
            Self::Folders if text.contains([':', '"', '\\']) => {
                Some("it holds a colon, a double quote or a backslash, for which this list has no escape")
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
    c.is_ascii_alphanumeric() || "-_./@:+=,".contains(c)
}
