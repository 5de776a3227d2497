//! Nginx's configuration as a tree of directives ("Configuration file" in its manual; what a token may hold is
//! `ngx_conf_read_token` in `ngx_conf_file.c`).
//!
//! ```
//! use deploy::formats::nginx::{Directive, render};
//!
//! let server = Directive::new("server").block([
//!     Directive::new("root").text("/srv/the \"box\"")?,
//!     Directive::new("location").literal("/").block([Directive::new("proxy_set_header").literal("Host $host")]),
//! ]);
//! assert_eq!(render(&[server]), r#"server {
//!     root "/srv/the \"box\"";
//!     location / {
//!         proxy_set_header Host $host;
//!     }
//! }
//! "#);
//! # Ok::<(), deploy::formats::Unwritable>(())
//! ```

use super::Unwritable;

/// How an error names this format.
const FORMAT: &str = "an Nginx configuration";

/// The longest argument, in bytes as written: Nginx reads through a buffer of 4096.
const LONGEST: usize = 4000;

/// A directive with its arguments and its block, or a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    name: &'static str,
    arguments: Vec<String>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    None,
    Block(Vec<Directive>),
    Comment(&'static str),
}

impl Directive {
    /// A directive without arguments.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, arguments: Vec::new(), body: Body::None }
    }

    /// A comment above what comes next.
    #[must_use]
    pub fn comment(text: &'static str) -> Self {
        Self { name: "", arguments: Vec::new(), body: Body::Comment(text) }
    }

    /// Adds arguments of ours, as they are: variables, modifiers, several at once.
    #[must_use]
    pub fn literal(mut self, arguments: &'static str) -> Self {
        self.arguments.push(arguments.to_owned());
        self
    }

    /// Adds a whole number.
    #[must_use]
    pub fn number(mut self, value: impl Into<u64>) -> Self {
        self.arguments.push(value.into().to_string());
        self
    }

    /// Adds anybody's text as one argument.
    ///
    /// # Errors
    ///
    /// [`Unwritable`] if it holds a `$`, which begins a variable wherever variables are read and has no escape; a
    /// control character (a line break in a header would begin another header); if it is longer than 4000 bytes
    /// as written; or if it begins with what the directive gives a meaning to: a `location` is to begin with `/`,
    /// a `server_name` not with `~`.
    pub fn text(mut self, value: &str) -> Result<Self, Unwritable> {
        let refused = |reason| Err(Unwritable::new(FORMAT, value, reason));
        if value.contains('$') {
            return refused("it holds a `$`, which begins a variable and has no escape");
        }
        if value.chars().any(char::is_control) {
            return refused("it holds a line break or another control character");
        }
        if self.name == "location" && !value.starts_with('/') {
            return refused("a location begins with `/`");
        }
        if self.name == "server_name" && value.starts_with('~') {
            return refused("a name that begins with `~` is a regular expression");
        }
        let written = quoted(value);
        if written.len() > LONGEST {
            return refused("it is longer than Nginx reads");
        }
        self.arguments.push(written);
        Ok(self)
    }

    /// Gives it a block.
    #[must_use]
    pub fn block(mut self, directives: impl IntoIterator<Item = Directive>) -> Self {
        self.body = Body::Block(directives.into_iter().collect());
        self
    }
}

/// In double quotes, with the escapes that hold there.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text of a file, or of a part of one, indented by four spaces a level.
#[must_use]
pub fn render(directives: &[Directive]) -> String {
    directives.iter().map(|directive| rendered(directive, 0)).collect()
}

fn rendered(directive: &Directive, level: usize) -> String {
    let indent = "    ".repeat(level);
    let words: Vec<&str> =
        [directive.name].into_iter().chain(directive.arguments.iter().map(String::as_str)).collect();
    let head = format!("{indent}{}", words.join(" "));
    match &directive.body {
        Body::None => format!("{head};\n"),
        Body::Comment(text) => text.lines().map(|line| format!("{indent}# {line}\n")).collect(),
        Body::Block(inner) => {
            let inner: String = inner.iter().map(|directive| rendered(directive, level + 1)).collect();
            format!("{head} {{\n{inner}{indent}}}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Directive, render};

    fn reason(directive: &'static str, value: &str) -> &'static str {
        Directive::new(directive).text(value).expect_err("not an argument").reason
    }

    #[test]
    fn a_text_is_one_argument() {
        let directive =
            Directive::new("return").number(200_u16).text("a \"b\\c\"; } # é").expect("an argument");
        assert_eq!(render(&[directive]), "return 200 \"a \\\"b\\\\c\\\"; } # é\";\n");
    }

    #[test]
    fn blocks_are_indented_and_comments_kept() {
        let tree = [
            Directive::comment("Why."),
            Directive::new("http").block([Directive::new("server").block([Directive::new("internal")])]),
        ];
        assert_eq!(render(&tree), "# Why.\nhttp {\n    server {\n        internal;\n    }\n}\n");
    }

    #[test]
    fn a_variable_or_a_second_header_is_refused() {
        assert_eq!(reason("root", "a$b"), "it holds a `$`, which begins a variable and has no escape");
        assert_eq!(reason("add_header", "a\r\nb"), "it holds a line break or another control character");
    }

    #[test]
    fn what_a_directive_gives_a_meaning_to_is_refused() {
        assert_eq!(reason("location", "~ x"), "a location begins with `/`");
        assert_eq!(reason("server_name", "~x"), "a name that begins with `~` is a regular expression");
    }
}
