//! Templates: text with secrets in it, rendered where the vault is served.
//!
//! The language is `{{ secret("NAME") }}` with at most one filter, `{{ secret("NAME") | ini }}`, between
//! any other text. Blanks may stand between the words. Nothing else is known: `{%`, `{#` and whatever
//! else begins with `{{` are errors, so that nobody takes a template for more than it is.

mod filter;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::filter::FILTERS;
pub use self::filter::{Filter, FilterError};
use crate::{Plaintext, SecretName, name::NameError};

/// Most bytes of a template: a configuration file is far shorter.
pub const MAX_BYTES: usize = 1 << 20;

/// A parsed template: its parts in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(Vec<Part>);

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Text that is taken over as it is. Never empty, and never next to another.
    Text(String),
    /// The value of a secret.
    Secret {
        /// Its name.
        name: SecretName,
        /// How the value is written.
        filter: Filter,
    },
}

impl Template {
    /// The parts, in their order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The secrets that it shows.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&SecretName> {
        let names = self.0.iter().filter_map(|part| match part {
            Part::Secret { name, .. } => Some(name),
            Part::Text(_) => None,
        });
        names.collect()
    }

    /// The text with the values of its secrets in it, in memory that never grows.
    ///
    /// # Errors
    ///
    /// [`RenderError`]; it tells nothing of a value.
    pub fn render(&self, values: &BTreeMap<SecretName, Plaintext>) -> Result<Plaintext, RenderError> {
        let mut length = 0;
        self.write(values, |piece| length += piece.len())?;
        let mut rendered = Plaintext::zeroed(length);
        let mut rest = rendered.expose_mut();
        self.write(values, |piece| {
            let (place, after) = std::mem::take(&mut rest).split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = after;
        })?;
        Ok(rendered)
    }

    fn write(
        &self,
        values: &BTreeMap<SecretName, Plaintext>,
        mut put: impl FnMut(&[u8]),
    ) -> Result<(), RenderError> {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => {
                put(text.as_bytes());
                Ok(())
            }
            Part::Secret { name, filter } => {
                let value = values.get(name).ok_or_else(|| RenderError::Missing(name.clone()))?;
                let written = filter.write(value.expose(), &mut put);
                written.map_err(|why| RenderError::Value { name: name.clone(), why })
            }
        })
    }
}

/// Why a template cannot be rendered. Nothing of a value is in it.
#[derive(Debug, Error, Diagnostic)]
pub enum RenderError {
    /// A value that would be read as something else.
    #[error("the value of {name} cannot be written with this filter: {why}")]
    #[diagnostic(help("use another filter for {name} in the template's source, or give it another value"))]
    Value {
        /// The secret.
        name: SecretName,
        /// What is in the way.
        why: FilterError,
    },
    /// A secret whose value is not known.
    #[error("the value of {0} is missing")]
    Missing(SecretName),
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_BYTES {
            return Err(TemplateError { line: 1, what: What::Long });
        }
        let mut reader = Reader { text, at: 0 };
        let mut parts = Vec::new();
        loop {
            let start = reader.at;
            let open = reader.next_opening();
            if reader.at > start {
                parts.push(Part::Text(text[start..reader.at].to_owned()));
            }
            if !open {
                return Ok(Self(parts));
            }
            parts.push(reader.secret()?);
        }
    }
}

/// A place in a template.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes to the next `{{`, `{%` or `{#`, or else to the end.
    fn next_opening(&mut self) -> bool {
        let bytes = self.rest().as_bytes();
        let found = bytes.windows(2).position(|pair| pair[0] == b'{' && b"{%#".contains(&pair[1]));
        self.at += found.unwrap_or(bytes.len());
        found.is_some()
    }

    /// `{{ secret("NAME") | FILTER }}`
    fn secret(&mut self) -> Result<Part, TemplateError> {
        self.expect("{{", What::Construct)?;
        for word in ["secret", "(", "\""] {
            self.skip_blanks();
            self.expect(word, What::Construct)?;
        }
        let Some((name, _)) = self.rest().split_once('"').filter(|(name, _)| !name.contains('\n')) else {
            return Err(self.error(What::Quote));
        };
        let parsed = name.parse().map_err(|error| self.error(What::Name(error)))?;
        self.at += name.len() + 1;
        self.skip_blanks();
        self.expect(")", What::Construct)?;
        self.skip_blanks();
        let filter = if self.take("|") { self.filter()? } else { Filter::None };
        self.skip_blanks();
        self.expect("}}", What::Close)?;
        Ok(Part::Secret { name: parsed, filter })
    }

    fn filter(&mut self) -> Result<Filter, TemplateError> {
        self.skip_blanks();
        let word = self.rest();
        let word = &word[..word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len())];
        let Some((_, filter)) = FILTERS.iter().find(|(name, _)| *name == word) else {
            return Err(self.error(What::Filter));
        };
        self.at += word.len();
        Ok(*filter)
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, word: &str, otherwise: What) -> Result<(), TemplateError> {
        if self.take(word) { Ok(()) } else { Err(self.error(otherwise)) }
    }

    fn error(&self, what: What) -> TemplateError {
        TemplateError { line: self.text[..self.at].matches('\n').count() + 1, what }
    }
}

/// The text of the template, with single blanks between the words.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Secret { name, filter } => match FILTERS.iter().find(|(_, known)| known == filter) {
                Some((filter, _)) => write!(f, "{{{{ secret(\"{name}\") | {filter} }}}}"),
                None => write!(f, "{{{{ secret(\"{name}\") }}}}"),
            },
        })
    }
}

/// Why a text is no template.
#[derive(Debug, Error, Diagnostic)]
#[error("line {line}: {what}")]
#[diagnostic(help(
    "a template knows {{{{ secret(\"NAME\") }}}}, with at most one of the filters ini, json and shell as in {{{{ secret(\"NAME\") | ini }}}}, and nothing else"
))]
pub struct TemplateError {
    /// Counted from 1.
    pub line: usize,
    what: What,
}

#[derive(Debug, Error)]
enum What {
    #[error("the template is longer than 1 MiB")]
    Long,
    #[error("this is not secret(\"NAME\")")]
    Construct,
    #[error("the name is not ended by a quote")]
    Quote,
    #[error(transparent)]
    Name(NameError),
    #[error("there is no such filter")]
    Filter,
    #[error("}}}} is missing")]
    Close,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(name: &str, filter: Filter) -> Part {
        Part::Secret { name: name.parse().unwrap(), filter }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn text_and_secrets_come_in_their_order() {
        let parsed: Template =
            "[options]\nadmin_passwd = {{ secret(\"passwords/odoo-admin.txt\") | ini }}\n".parse().unwrap();
        let name = "passwords/odoo-admin.txt";
        assert_eq!(
            parsed.parts(),
            [text("[options]\nadmin_passwd = "), secret(name, Filter::Ini), text("\n")]
        );
        let parsed: Template =
            "{{secret(\"a\")}}{{\tsecret ( \"b\" )|json}}}{{ secret(\"a\")   |   shell\t}}".parse().unwrap();
        assert_eq!(
            parsed.parts(),
            [secret("a", Filter::None), secret("b", Filter::Json), text("}"), secret("a", Filter::Shell)]
        );
        assert_eq!(parsed.secrets().into_iter().map(SecretName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        for plain in ["", "no secret", "{\"a\": {\"b\": 1}}", "${a} { { %} #} }}", "ü{"] {
            let parsed: Template = plain.parse().unwrap();
            assert!(parsed.secrets().is_empty() && parsed.to_string() == plain, "{plain}");
        }
    }

    #[test]
    fn whatever_else_is_an_error_with_its_line() {
        for (wrong, what) in [
            ("{{ a }}", "not secret"),
            ("{{", "not secret"),
            ("{{{ secret(\"a\") }}", "not secret"),
            ("{{ secret('a') }}", "not secret"),
            ("{{ secret(\"a\" }}", "not secret"),
            ("{{ secret(\"a\", \"b\") }}", "not secret"),
            ("{{\nsecret(\"a\") }}", "not secret"),
            ("{{ Secret(\"a\") }}", "not secret"),
            ("{% if a %}", "not secret"),
            ("{# a #}", "not secret"),
            ("{{ secret(\"a", "quote"),
            ("{{ secret(\"a\n\") }}", "quote"),
            ("{{ secret(\"../a\") }}", "cannot be the name"),
            ("{{ secret(\"a\\\"b\") }}", "cannot be the name"),
            ("{{ secret(\"a\") | upper }}", "no such filter"),
            ("{{ secret(\"a\") | inix }}", "no such filter"),
            ("{{ secret(\"a\") | }}", "no such filter"),
            ("{{ secret(\"a\") | ini | json }}", "}} is missing"),
            ("{{ secret(\"a\") }", "}} is missing"),
            ("{{ secret(\"a\") - }}", "}} is missing"),
            ("{{ secret(\"a\")\n}}", "}} is missing"),
        ] {
            let error = format!("fine\n\n{wrong}").parse::<Template>().unwrap_err();
            assert!(error.line == 3 && error.to_string().contains(what), "{wrong}: {error}");
        }
        assert!("x".repeat(MAX_BYTES + 1).parse::<Template>().is_err());
    }

    #[test]
    fn values_stand_where_their_names_stood() {
        let parsed: Template =
            "a = {{ secret(\"a\") | ini }}\nb: {{ secret(\"b\") | json }}, {{ secret(\"a\") }}"
                .parse()
                .unwrap();
        let value = |bytes: &[u8]| Plaintext::from(bytes.to_vec());
        let mut values: BTreeMap<SecretName, Plaintext> =
            [("a".parse().unwrap(), value(b"1")), ("b".parse().unwrap(), value(b"2\n"))].into();
        let rendered = parsed.render(&values).unwrap();
        assert_eq!(rendered.expose(), b"a = 1\nb: \"2\\n\", 1");
        values.insert("a".parse().unwrap(), value(b"hunter2\n"));
        let refused = parsed.render(&values).unwrap_err().to_string();
        assert!(refused.contains("value of a") && !refused.contains("hunter2"), "{refused}");
        values.clear();
        assert!(matches!(parsed.render(&values), Err(RenderError::Missing(_))));
    }

    fn any_part() -> impl Strategy<Value = Part> {
        let filter =
            prop_oneof![Just(Filter::None), Just(Filter::Ini), Just(Filter::Json), Just(Filter::Shell)];
        prop_oneof![
            "[^{]{1,20}".prop_map(Part::Text),
            ("[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", filter).prop_map(|(name, filter)| secret(&name, filter)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(parts in proptest::collection::vec(any_part(), 0..12)) {
            let template = Template(parts);
            let read: Template = template.to_string().parse().unwrap();
            prop_assert_eq!(read.to_string(), template.to_string());
            prop_assert_eq!(read.secrets(), template.secrets());
        }

        #[test]
        fn any_text_is_taken_whole_or_refused(
            words in proptest::collection::vec("\\{\\{|\\}\\}|secret|\\(|\\)|\"|\\||ini|a/b| |\n|\\{%|.", 0..24),
        ) {
            let text = words.concat();
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string().parse::<Template>().unwrap(), template);
            }
        }
    }
}
