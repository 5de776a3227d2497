//! Files for Python's `configparser` without interpolation, which is how Odoo reads its own ("Supported INI File
//! Structure" in Python's manual).
//!
//! ```
//! use deploy::formats::ini::IniFile;
//!
//! let mut file = IniFile::new();
//! file.section("options").set("proxy_mode", "True").number("workers", 3_u32).text("db_name", "100% 'ours'")?;
//! assert_eq!(file.render(), "[options]\nproxy_mode = True\nworkers = 3\ndb_name = 100% 'ours'\n");
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

use super::Unwritable;

/// How an error names this format.
const FORMAT: &str = "an INI file";

/// A file: sections in the order in which they were first mentioned, each with its options in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IniFile {
    sections: Vec<(&'static str, Vec<String>)>,
}

impl IniFile {
    /// A file without sections.
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

    /// The text of the file, with a blank line between sections and a newline at its end.
    #[must_use]
    pub fn render(&self) -> String {
        let section = |(name, lines): &(&str, Vec<String>)| format!("[{name}]\n{}", lines.concat());
        self.sections.iter().map(section).collect::<Vec<String>>().join("\n")
    }
}

/// A section of an [`IniFile`], to add options to. An option that is there twice is an error to its reader.
#[derive(Debug)]
pub struct Section<'a> {
    lines: &'a mut Vec<String>,
}

impl Section<'_> {
    fn push(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.lines.push(format!("{} = {value}", key).trim_end().to_owned() + "\n");
        self
    }

    /// A comment above what is added next.
    pub fn comment(&mut self, text: &'static str) -> &mut Self {
        self.lines.extend(text.lines().map(|line| format!("# {line}\n")));
        self
    }

    /// A value of ours, as it is.
    pub fn set(&mut self, key: &'static str, value: &'static str) -> &mut Self {
        self.push(key, value)
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, value: impl Into<u64>) -> &mut Self {
        self.push(key, &value.into().to_string())
    }

    /// Anybody's text up to the end of the line: there are neither quotes nor escapes. What a program makes of
    /// words such as `False` is its own affair.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it holds a line break or another control character, or begins or ends with white space
    /// (of Unicode too), which is cut off.
    pub fn text(&mut self, key: &'static str, value: &str) -> Result<&mut Self, Unwritable> {
        if value.chars().any(char::is_control) {
            return Err(Unwritable::new(FORMAT, value, "it holds a line break or another control character"));
        }
        if value.trim() != value {
            return Err(Unwritable::new(FORMAT, value, "white space around it would be cut off"));
        }
        Ok(self.push(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::IniFile;

    fn reason(value: &str) -> &'static str {
        IniFile::new().section("options").text("a", value).expect_err("not a value").reason
    }

    #[test]
    fn there_is_nothing_to_quote() {
        let mut file = IniFile::new();
        file.section("options")
            .text("a", "= ; # \"%(b)s\" \\")
            .expect("a value")
            .text("b", "")
            .expect("a value");
        assert_eq!(file.render(), "[options]\na = = ; # \"%(b)s\" \\\nb =\n");
    }

    #[test]
    fn sections_come_in_order_and_go_on() {
        let mut file = IniFile::new();
        file.section("a").comment("Why.").set("x", "True");
        file.section("b").number("y", 2_u8);
        file.section("a").set("z", "False");
        assert_eq!(file.render(), "[a]\n# Why.\nx = True\nz = False\n\n[b]\ny = 2\n");
    }

    #[test]
    fn what_the_line_cannot_hold_is_refused() {
        assert_eq!(reason("a\nb = c"), "it holds a line break or another control character");
        assert_eq!(reason("a "), "white space around it would be cut off");
        assert_eq!(reason("\u{a0}a"), "white space around it would be cut off");
    }
}
