//! One word, as the command lines and lists of a unit have it.

use super::{FORMAT, Unwritable};

/// `PATH_MAX` less its NUL, and `NAME_MAX`, in bytes.
const LONGEST_PATH: usize = 4095;
const LONGEST_PART: usize = 255;

/// A word of a command line or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Ours: it is quoted, but its specifiers (`%d`) and variables (`$MAINPID`) are systemd's to replace, and the
    /// prefixes of a program (`-`, `+`, `!`) keep their meaning.
    Literal(&'static str),
    /// Anybody's: what reads it gets it as it is.
    Text(String),
    /// Ours, directly followed by anybody's: `--config=%d/` and a name.
    Prefixed(&'static str, String),
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&&str> for Word {
    fn from(text: &&str) -> Self {
        Self::Text((*text).to_owned())
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Word {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&Word> for Word {
    fn from(word: &Word) -> Self {
        word.clone()
    }
}

impl Word {
    /// Our part, then anybody's.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Literal(literal) => (literal, ""),
            Self::Text(text) => ("", text),
            Self::Prefixed(literal, text) => (literal, text),
        }
    }

    /// The first word of a command line (systemd.service(5)).
    pub(super) fn as_program(&self) -> Result<String, Unwritable> {
        let (literal, text) = self.parts();
        let refused = |reason| Err(Unwritable::new(FORMAT, text, reason));
        if literal.is_empty() && !text.starts_with('/') {
            return refused("a program is an absolute path");
        }
        if text.contains(['"', '\'', '\\']) || text.chars().any(|c| c.is_ascii_control()) {
            return refused("systemd runs no program whose path holds it");
        }
        if text.contains('$') {
            return refused("the name of a program cannot hold a `$`");
        }
        if text.ends_with(' ') {
            return refused("systemd loses a space at the end of a program's path before it runs it");
        }
        if text.ends_with('/') {
            return refused("it is the path of a folder");
        }
        if let Some(reason) = path_objection(text) {
            return refused(reason);
        }
        Ok(quoted(&format!("{literal}{}", text.replace('%', "%%"))))
    }

    /// Any later word of a command line, where variables are replaced too.
    pub(super) fn as_argument(&self) -> Result<String, Unwritable> {
        let (literal, text) = self.parts();
        refuse_nul(text)?;
        Ok(quoted(&format!("{literal}{}", text.replace('%', "%%").replace('$', "$$"))))
    }

    /// A word of `Environment=`, where a `$` is nothing special.
    pub(super) fn as_assignment(&self) -> Result<String, Unwritable> {
        let (literal, text) = self.parts();
        refuse_nul(text)?;
        Ok(quoted(&format!("{literal}{}", text.replace('%', "%%"))))
    }
}

fn refuse_nul(text: &str) -> Result<(), Unwritable> {
    if text.contains('\0') { Err(Unwritable::new(FORMAT, text, "it holds a NUL")) } else { Ok(()) }
}

/// Free text up to the end of the line: systemd.syntax(7) cuts off spaces and continues a line after a backslash.
pub(super) fn line(text: &str) -> Result<String, Unwritable> {
    let refused = |reason| Err(Unwritable::new(FORMAT, text, reason));
    if text.is_empty() {
        return refused("an empty value resets the directive");
    }
    if text.chars().any(char::is_control) {
        return refused("it holds a line break or another control character");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return refused("spaces around it would be cut off");
    }
    if text.ends_with('\\') {
        return refused("the backslash at its end would continue the line");
    }
    Ok(text.replace('%', "%%"))
}

/// One absolute path up to the end of the line.
pub(super) fn path(path: &str) -> Result<String, Unwritable> {
    let objection = if path.starts_with('/') { path_objection(path) } else { Some("it is no absolute path") };
    objection.map_or_else(|| line(path), |reason| Err(Unwritable::new(FORMAT, path, reason)))
}

/// Why systemd ignores a path, or the end of one: it takes them only normalized, and as long as Linux does.
pub(super) fn path_objection(path: &str) -> Option<&'static str> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    if path.contains("//") || parts.clone().any(|part| part == "." || part == "..") {
        return Some("a path has no `.`, `..` or empty part");
    }
    let too_long = path.len() > LONGEST_PATH || parts.any(|part| part.len() > LONGEST_PART);
    too_long.then_some("it is longer than a path can be")
}

/// In double quotes where it needs them, with the escapes of systemd.syntax(7); specifiers and variables are done.
pub(super) fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_bare) {
        return word.to_owned();
    }
    in_quotes(word)
}

/// In double quotes in any case.
pub(super) fn in_quotes(word: &str) -> String {
    let escaped: String = word.chars().map(escaped).collect();
    format!("\"{escaped}\"")
}

/// Whether a character needs no quotes in any list or command line.
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./@:+=,~^%${}".contains(c)
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        // The other control characters of Unicode, U+0080 to U+009F.
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}
