//! Lines of sysusers.d(5) and tmpfiles.d(5): fields in double quotes where they need them, and `%%` for a `%`,
//! which begins a specifier (systemd.unit(5)).
//!
//! ```
//! use deploy::formats::line::{Sysusers, Tmpfiles};
//!
//! let user = Sysusers::new("u", "odoo")?.literal("-").text("100% \"Odoo\"")?.text("/var/lib/odoo")?;
//! assert_eq!(user.render(), "u odoo - \"100%% \\\"Odoo\\\"\" /var/lib/odoo\n");
//! let link = Tmpfiles::new("L+", "/srv/a b")?.literal("- - - -").argument("/srv/c d")?;
//! assert_eq!(link.render(), "L+ \"/srv/a b\" - - - - /srv/c d\n");
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

use super::Unwritable;

const SYSUSERS: &str = "a line of sysusers.d";
const TMPFILES: &str = "a line of tmpfiles.d";

/// The longest name of a user or group, as utmp(5) keeps it.
const LONGEST_NAME: usize = 31;

/// The types of tmpfiles.d(5) whose path is a pattern.
const PATTERNS: &str = "wextrRzZTaAhHm";

/// A line of sysusers.d(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysusers(Vec<String>);

impl Sysusers {
    /// A line of this type (`u`, `u!`, `g`, `m`) for the user or group of this name.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if systemd gives no user or group that name.
    pub fn new(kind: &'static str, name: &str) -> Result<Self, Unwritable> {
        Self(vec![kind.to_owned()]).name(name)
    }

    /// Adds fields of ours, as they are; `-` for one that is left out.
    #[must_use]
    pub fn literal(mut self, fields: &'static str) -> Self {
        self.0.push(fields.to_owned());
        self
    }

    /// Adds the name of a user or group.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if systemd gives no user or group that name: letters, digits, `_` and `-`, 31 at most, of
    /// which the first is a letter or `_`.
    pub fn name(mut self, name: &str) -> Result<Self, Unwritable> {
        self.0.push(user_name(SYSUSERS, name)?);
        Ok(self)
    }

    /// Adds anybody's text: the GECOS field, the home folder or the shell.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it is empty or `-` (which reads as left out), or holds a control character or a colon
    /// (which separates the fields of passwd(5)).
    pub fn text(mut self, text: &str) -> Result<Self, Unwritable> {
        let refused = |reason| Err(Unwritable::new(SYSUSERS, text, reason));
        if text.is_empty() || text == "-" {
            return refused("it reads as a field that is left out");
        }
        if text.chars().any(char::is_control) {
            return refused("it holds a line break or another control character");
        }
        if text.contains(':') {
            return refused("it holds a colon, which separates the fields of passwd(5)");
        }
        self.0.push(field(text));
        Ok(self)
    }

    /// The line, with its newline.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.join(" ") + "\n"
    }
}

/// A line of tmpfiles.d(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfiles(Vec<String>);

impl Tmpfiles {
    /// A line of this type (`d`, `L+`, `z`) for a path.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if the path is not absolute, holds a control character, or holds what is special in a pattern
    /// where the type takes patterns.
    pub fn new(kind: &'static str, path: &str) -> Result<Self, Unwritable> {
        let refused = |reason| Err(Unwritable::new(TMPFILES, path, reason));
        if !path.starts_with('/') {
            return refused("it is no absolute path");
        }
        if path.chars().any(char::is_control) {
            return refused("it holds a line break or another control character");
        }
        if kind.starts_with(|kind| PATTERNS.contains(kind)) && path.contains(['*', '?', '[', '{', '\\']) {
            return refused("it would be read as a pattern");
        }
        Ok(Self(vec![kind.to_owned(), field(path)]))
    }

    /// Adds fields of ours, as they are: mode, user, group, age; `-` for one that is left out.
    #[must_use]
    pub fn literal(mut self, fields: &'static str) -> Self {
        self.0.push(fields.to_owned());
        self
    }

    /// Adds the name of the user or group that owns the path.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] as for [`Sysusers::name`].
    pub fn name(mut self, name: &str) -> Result<Self, Unwritable> {
        self.0.push(user_name(TMPFILES, name)?);
        Ok(self)
    }

    /// Adds the argument, the last field, of the types `f`, `w`, `L` and `C`: what to write, to link to or to copy.
    /// It reaches to the end of the line and knows no quotes, but escapes. The fields before it are to be there.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it is empty (leave it out instead), or holds a NUL.
    pub fn argument(mut self, text: &str) -> Result<Self, Unwritable> {
        if text.is_empty() {
            return Err(Unwritable::new(TMPFILES, text, "it reads as a field that is left out"));
        }
        if text.contains('\0') {
            return Err(Unwritable::new(TMPFILES, text, "it holds a NUL"));
        }
        self.0.push(argument(text));
        Ok(self)
    }

    /// The line, with its newline.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.join(" ") + "\n"
    }
}

fn user_name(format: &'static str, name: &str) -> Result<String, Unwritable> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let later = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.starts_with(first) && name.chars().all(later) && name.len() <= LONGEST_NAME {
        return Ok(name.to_owned());
    }
    Err(Unwritable::new(format, name, "systemd gives no user or group that name"))
}

/// A field, after `kind`: no control characters are in it, for which only one of the two has escapes.
fn field(text: &str) -> String {
    let text = text.replace('%', "%%");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+=,%".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Spaces are cut off at the start of it and at the end of the line, and a lone `-` is nothing.
fn argument(text: &str) -> String {
    let last = text.chars().count() - 1;
    let at_edge = |at| at == 0 || at == last;
    let escaped = |(at, c): (usize, char)| match c {
        '\\' => "\\\\".to_owned(),
        '%' => "%%".to_owned(),
        ' ' | '-' if at_edge(at) => format!("\\x{:02x}", u32::from(c)),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().enumerate().map(escaped).collect()
}

#[cfg(test)]
mod tests;
