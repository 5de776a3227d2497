//! systemd's units: systemd.syntax(7), with the command lines of systemd.service(5), the paths and environments
//! of systemd.exec(5) and the specifiers of systemd.unit(5).
//!
//! ```
//! use deploy::formats::unit::{UnitFile, Word};
//!
//! let mut unit = UnitFile::new();
//! unit.section("Unit").text("Description", "100% ours")?.words("After", ["network.target"])?;
//! unit.section("Service")
//!     .set("Type", "exec")
//!     .command("ExecStart", [Word::from("/usr/bin/odoo"), Word::Literal("--pid=$MAINPID"), "a b $x".into()])?;
//! assert_eq!(unit.render(), "\
//! [Unit]
//! Description=100%% ours
//! After=network.target
//!
//! [Service]
//! Type=exec
//! ExecStart=/usr/bin/odoo --pid=$MAINPID \"a b $$x\"
//! ");
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

mod list;
mod name;
mod word;

pub use name::path_name;
pub use word::Word;

use super::Unwritable;
use list::List;

/// How an error names this format.
const FORMAT: &str = "a systemd unit";

/// A unit file: sections in the order in which they were first mentioned, each with its directives in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFile {
    sections: Vec<(&'static str, Vec<Line>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Comment(&'static str),
    Directive(&'static str, String),
}

impl UnitFile {
    /// A unit without sections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The section of that name, added at the end if there is none.
    pub fn section(&mut self, name: &'static str) -> Section<'_> {
        let at = self.sections.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.sections.push((name, Vec::new()));
            self.sections.len() - 1
        });
        Section { lines: &mut self.sections[at].1 }
    }

    /// The values of a directive as they are written, in order; none if there is no such section.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Vec<&str> {
        let lines = self.sections.iter().filter(|(name, _)| *name == section).flat_map(|(_, lines)| lines);
        lines
            .filter_map(|line| match line {
                Line::Directive(known, value) if *known == key => Some(value.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The text of the file: the same for the same calls, a blank line between sections, a newline at the end.
    #[must_use]
    pub fn render(&self) -> String {
        let sections: Vec<String> = self.sections.iter().map(|(name, lines)| section(name, lines)).collect();
        sections.join("\n")
    }
}

fn section(name: &str, lines: &[Line]) -> String {
    let mut text = format!("[{name}]\n");
    for line in lines {
        match line {
            Line::Comment(comment) => comment.lines().for_each(|line| text += &format!("# {line}\n")),
            Line::Directive(key, value) => text += &format!("{key}={value}\n"),
        }
    }
    text
}

/// A section of a [`UnitFile`], to add directives to.
#[derive(Debug)]
pub struct Section<'a> {
    lines: &'a mut Vec<Line>,
}

impl Section<'_> {
    fn push(&mut self, key: &'static str, value: String) -> &mut Self {
        self.lines.push(Line::Directive(key, value));
        self
    }

    /// A value of ours, as it is; it may hold specifiers such as `%d`.
    pub fn set(&mut self, key: &'static str, value: &'static str) -> &mut Self {
        self.push(key, value.to_owned())
    }

    /// A comment above what is added next.
    pub fn comment(&mut self, text: &'static str) -> &mut Self {
        self.lines.push(Line::Comment(text));
        self
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, value: impl Into<u64>) -> &mut Self {
        self.push(key, value.into().to_string())
    }

    /// Free text up to the end of the line, as in `Description=`: neither quotes nor escapes, but specifiers.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it is empty (which resets the directive), has spaces around it (which are cut off), ends
    /// with a backslash (which continues the line), or holds a control character.
    pub fn text(&mut self, key: &'static str, value: &str) -> Result<&mut Self, Unwritable> {
        Ok(self.push(key, word::line(value)?))
    }

    /// One absolute path up to the end of the line, as in `WorkingDirectory=` or `PIDFile=`.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] as for [`text`](Self::text), if it does not begin with `/` (some directives give a meaning of
    /// their own to what comes before), or is not normalized.
    pub fn path(&mut self, key: &'static str, value: &str) -> Result<&mut Self, Unwritable> {
        Ok(self.push(key, word::path(value)?))
    }

    /// A list of words, such as `After=` or `ReadWritePaths=`; nothing is added if there are none, since an empty
    /// list would reset the directive.
    ///
    /// systemd splits its lists in several ways, so the directive decides how a word is quoted. What it reads at
    /// the start of a word (`-` and `+` before a path, `~` before a list) or between colons is for a literal part:
    /// `Word::Prefixed("-", path)`.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if a text is empty or holds what that directive cannot read: control characters; where paths
    /// are expected, what does not begin with `/`; in `BindPaths=` and `BindReadOnlyPaths=` a quote or a colon
    /// (see [`bind`](Self::bind)); in the folders of a service (`StateDirectory=` and the like) a colon, a double quote or
    /// a backslash; in names of units what they do not hold, and in every list that this room does not know
    /// everything but letters, digits and `-_./@:+=,`.
    pub fn words<W: Into<Word>>(
        &mut self,
        key: &'static str,
        values: impl IntoIterator<Item = W>,
    ) -> Result<&mut Self, Unwritable> {
        let list = List::of(key);
        let words: Result<Vec<String>, Unwritable> =
            values.into_iter().map(|value| list.word(&value.into())).collect();
        let words = words?;
        Ok(if words.is_empty() { self } else { self.push(key, words.join(" ")) })
    }

    /// A bind mount, for `BindPaths=` and `BindReadOnlyPaths=`; either path may hold colons.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if a path is not absolute or normalized, or holds a control character or a quote.
    pub fn bind(
        &mut self,
        key: &'static str,
        source: impl Into<Word>,
        destination: impl Into<Word>,
    ) -> Result<&mut Self, Unwritable> {
        let source = List::bind(&source.into())?;
        let destination = List::bind(&destination.into())?;
        Ok(self.push(key, format!("{source}:{destination}")))
    }

    /// A credential, for `LoadCredential=` and `LoadCredentialEncrypted=`.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if the name holds more than letters, digits and `-_.@`, or the path cannot be written as for
    /// [`path`](Self::path), or holds a space or a backslash: systemd reads them, but from 254 on loses them before
    /// it opens the file.
    pub fn credential(&mut self, key: &'static str, name: &str, path: &str) -> Result<&mut Self, Unwritable> {
        let name = List::Names.word(&Word::from(name))?;
        if name.contains([':', '\\']) {
            return Err(Unwritable::new(FORMAT, &name, "it holds what no credential's name can hold"));
        }
        if path.contains([' ', '\\']) {
            let reason = "it holds a space or a backslash, which systemd loses before it opens a credential";
            return Err(Unwritable::new(FORMAT, path, reason));
        }
        Ok(self.push(key, format!("{name}:{}", word::path(path)?)))
    }

    /// A command line, for `ExecStart=` and the like: the program's path, then its arguments. No shell, no
    /// variable, no specifier sees a text.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if there is no program, if the program is no absolute path (its first character might be
    /// one that systemd gives a meaning to), if it holds what systemd does not take in a path to execute (control
    /// characters, quotes, backslashes, a space at its end) or a `$` (which systemd leaves as it is there, but not in what the program
    /// sees as its name), or if an argument holds a NUL.
    pub fn command<W: Into<Word>>(
        &mut self,
        key: &'static str,
        argv: impl IntoIterator<Item = W>,
    ) -> Result<&mut Self, Unwritable> {
        let mut argv = argv.into_iter().map(Into::into);
        let program =
            argv.next().ok_or_else(|| Unwritable::new(FORMAT, "", "a command line has a program"))?;
        let mut line = program.as_program()?;
        for argument in argv {
            line.push(' ');
            line.push_str(&argument.as_argument()?);
        }
        Ok(self.push(key, line))
    }

    /// A variable of the environment, as `Environment=`.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if the value holds a NUL.
    pub fn environment(&mut self, name: &'static str, value: &str) -> Result<&mut Self, Unwritable> {
        let word = Word::Prefixed(name, format!("={value}")).as_assignment()?;
        Ok(self.push("Environment", word))
    }

    /// A calendar time as systemd.time(7) has it, as `OnCalendar=`. Whether it is one, `systemd-analyze calendar`
    /// knows.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it is empty or holds a character that no calendar time holds.
    pub fn calendar(&mut self, value: &str) -> Result<&mut Self, Unwritable> {
        let plain = |c: char| c.is_ascii_alphanumeric() || " *:,./~_+-".contains(c);
        if value.trim().is_empty() || !value.chars().all(plain) {
            return Err(Unwritable::new(FORMAT, value, "it is no calendar time"));
        }
        Ok(self.push("OnCalendar", value.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests;
