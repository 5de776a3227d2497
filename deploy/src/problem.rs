//! What is wrong with a node: all of it at once, each with its place and what to write instead.

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// A file of a node, as it is shown in messages.
pub type Source = Arc<NamedSource<String>>;

/// Where in which file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub source: Source,
    /// The bytes.
    pub span: Range<usize>,
}

impl Place {
    /// The line that it begins in, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        let before = self.source.inner().bytes().take(self.span.start);
        before.filter(|byte| *byte == b'\n').count() + 1
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    message: String,
    help: Option<String>,
    /// The option that it is about, as `(module, key)`, until its place is looked up.
    option: Option<(&'static str, &'static str)>,
    place: Option<Place>,
}

impl Problem {
    /// What is wrong, lower-case and without a full stop.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, option: None, place: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The option that it is about: its place is shown where the node sets it.
    #[must_use]
    pub fn about(mut self, module: &'static str, key: &'static str) -> Self {
        self.option = Some((module, key));
        self
    }

    /// Fills in the place of the option that it is about.
    pub(crate) fn placed(mut self, find: impl FnOnce(&str, &str) -> Option<Place>) -> Self {
        if let (None, Some((module, key))) = (&self.place, self.option) {
            self.place = find(module, key);
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.place.as_ref()?.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Nothing, if nothing is wrong.
    ///
    /// # Errors
    ///
    /// All of them otherwise.
    pub fn none(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Fills in the places of the options that they are about, and puts them in the order of the files.
    #[must_use]
    pub(crate) fn placed(self, find: impl Fn(&str, &str) -> Option<Place>) -> Self {
        let mut problems: Vec<Problem> = self.0.into_iter().map(|problem| problem.placed(&find)).collect();
        let mut sources: Vec<Source> = Vec::new();
        problems.sort_by_cached_key(|problem| {
            let place = problem.place.as_ref()?;
            let seen = sources.iter().position(|source| Arc::ptr_eq(source, &place.source));
            let file = seen.unwrap_or_else(|| {
                sources.push(place.source.clone());
                sources.len() - 1
            });
            Some((file, place.span.start))
        });
        Self(problems)
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        self.0.extend(problems);
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("there is one thing wrong"),
            count => write!(f, "there are {count} things wrong"),
        }
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
