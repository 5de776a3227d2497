//! Reading the options of one module out of the tables that set them.

use std::collections::BTreeSet;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Table, suggestion};
use crate::{
    problem::{Place, Problem, Problems},
    value::{Located, NodePath, OptionValue, Wrong},
};

/// An option as the reference and a node's own list show it.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its key.
    pub key: &'static str,
    /// What can be written.
    pub expected: String,
    /// What it is when nothing is written, if there is anything.
    pub default: Option<String>,
    /// What is written, as a node file has it, and where.
    pub written: Option<(String, Origin)>,
}

/// Where what is written comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file of the operator.
    File(Place),
    /// A node that is in the program.
    Shipped(Place),
    /// What this module brings with it.
    Implied(&'static str),
}

/// The options of one module: each is read once, what was not read is unknown, and nothing stops at the first mistake.
pub struct Options<'a> {
    module: &'static str,
    tables: Vec<Table<'a>>,
    described: Vec<Described>,
    problems: Problems,
}

impl<'a> Options<'a> {
    /// The options of a module in the tables that set them, those that win first.
    pub(super) fn new(module: &'static str, tables: Vec<Table<'a>>) -> Self {
        Self { module, tables, described: Vec::new(), problems: Problems::default() }
    }

    /// An option with a default.
    pub fn get<T: OptionValue>(&mut self, key: &'static str, default: T) -> T {
        let found = self.find(key);
        self.describe(key, Some(default.show()), found.as_ref());
        found.unwrap_or(default)
    }

    /// An option that may be left out.
    pub fn optional<T: OptionValue>(&mut self, key: &'static str) -> Option<T> {
        let found = self.find(key);
        self.describe(key, None, found.as_ref());
        found
    }

    /// An option that every node has to set; `instead` is what it is until then.
    pub fn required<T: OptionValue>(&mut self, key: &'static str, instead: T) -> T {
        if self.written(key).is_none() {
            let problem = Problem::new(format!("{} does not say its `{key}`", self.module));
            self.problems.push(problem.help(format!("write `{key} = …`: {}", T::expected())));
        }
        self.optional(key).unwrap_or(instead)
    }

    /// A file or folder that may be left out, as it is found from the file that names it.
    pub fn located(&mut self, key: &'static str) -> Option<Located> {
        let path = self.optional::<NodePath>(key)?;
        let (table, _) = self.written(key)?;
        Some(Located::new(path, table.folder.as_deref()))
    }

    /// A file or folder of a list, as it is found from the file that sets the list.
    #[must_use]
    pub fn located_in(&self, key: &str, path: NodePath) -> Located {
        let folder = self.written(key).and_then(|(table, _)| table.folder.as_deref());
        Located::new(path, folder)
    }

    /// Whether it is set at all.
    #[must_use]
    pub fn sets(&self, key: &str) -> bool {
        self.written(key).is_some()
    }

    /// Every option that was read, and what is wrong with them.
    pub(super) fn finish(self) -> (Vec<Described>, Problems) {
        self.finish_beside(&[])
    }

    /// As [`Self::finish`], where there are other keys that somebody else reads.
    pub(super) fn finish_beside(mut self, others: &[&'static str]) -> (Vec<Described>, Problems) {
        let own = self.described.iter().map(|option| option.key);
        let known: BTreeSet<&str> = own.chain(others.iter().copied()).collect();
        for table in &self.tables {
            for key in table.entries.keys().filter(|key| !known.contains(key.get_ref().as_ref())) {
                let message = format!("{} has no option `{}`", self.module, key.get_ref().escape_debug());
                let help = suggestion(key.get_ref(), known.iter().copied());
                let place = Place { source: table.source.clone(), span: key.span() };
                self.problems.push(Problem::new(message).help(help).at(place));
            }
        }
        (self.described, self.problems)
    }

    fn describe<T: OptionValue>(&mut self, key: &'static str, default: Option<String>, found: Option<&T>) {
        debug_assert!(self.described.iter().all(|option| option.key != key), "{key} is read twice");
        let written = found.and_then(|value| {
            let (table, written) = self.written(key)?;
            Some((value.show(), table.origin(written.span())))
        });
        self.described.push(Described { key, expected: T::expected().into_owned(), default, written });
    }

    fn written(&self, key: &str) -> Option<(&Table<'a>, &Spanned<DeValue<'a>>)> {
        self.tables.iter().find_map(|table| Some((table, lookup(table.entries, key)?)))
    }

    /// The value that is written, if it is one; else everything that is wrong with it is noted.
    fn find<T: OptionValue>(&mut self, key: &'static str) -> Option<T> {
        let (table, value) = self.written(key)?;
        let problem = |Wrong { message, help, span }| {
            let place = Place { source: table.source.clone(), span: span.unwrap_or_else(|| value.span()) };
            Problem::new(format!("`{key}`: {message}")).help(help).at(place)
        };
        match T::read_whole(value) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let problems: Vec<Problem> = wrong.into_iter().map(problem).collect();
                self.problems.extend(problems);
                None
            }
        }
    }
}

/// The value of a key.
pub(super) fn lookup<'t, 'a>(table: &'t DeTable<'a>, key: &str) -> Option<&'t Spanned<DeValue<'a>>> {
    table.iter().find(|(written, _)| written.get_ref() == key).map(|(_, value)| value)
}
