//! Errors of the policy, each with its place and what to write instead.

use std::{ops::Range, sync::Arc};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// Something wrong in `vault.toml`: where, what, and what to write instead.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct PolicyError {
    message: String,
    #[source_code]
    source_code: Option<Arc<NamedSource<String>>>,
    #[label]
    span: Option<SourceSpan>,
    #[help]
    help: Option<String>,
}

impl PolicyError {
    /// The line of the file, counted from 1, where the place is known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        let before = self.source_code.as_ref()?.inner().get(..self.span?.offset())?;
        Some(before.matches('\n').count() + 1)
    }
}

/// What is wrong, before the text of the file is joined to it.
#[derive(Debug)]
pub(super) struct Fault {
    pub span: Option<Range<usize>>,
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn in_text(self, text: &str) -> PolicyError {
        PolicyError {
            message: self.message,
            source_code: self
                .span
                .is_some()
                .then(|| Arc::new(NamedSource::new(crate::POLICY_FILE, text.to_owned()))),
            span: self.span.map(SourceSpan::from),
            help: self.help,
        }
    }
}

/// The parser's own message may span lines; the first says what is wrong, the rest what fits.
impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        let (message, expected) = match error.message().split_once(", expected ") {
            Some((message, expected)) => (message.to_owned(), Some(format!("expected {expected}"))),
            None => (error.message().lines().next().unwrap_or_default().to_owned(), None),
        };
        Self { span: error.span(), message, help: expected }
    }
}
