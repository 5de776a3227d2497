//! What a node has: its modules, with what each option is and who says so.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;
use vault_format::report;

use super::json;
use crate::{
    modules::MODULES,
    node::{Described, Origin},
    pipeline::Effective,
    problem::Place,
};

/// The widest value that the column of places makes room for, in characters.
const WIDEST: usize = 32;

#[derive(Serialize)]
pub(super) struct NodeOptions<'a> {
    node: &'a str,
    /// Each starts from the next.
    files: Vec<File>,
    options: Vec<NodeOption>,
    modules: Vec<Module>,
    absent: Vec<&'static str>,
}

#[derive(Serialize)]
struct File {
    file: String,
    shipped: bool,
}

#[derive(Serialize)]
struct Module {
    name: &'static str,
    summary: &'static str,
    options: Vec<NodeOption>,
}

#[derive(Serialize)]
struct NodeOption {
    key: &'static str,
    #[serde(serialize_with = "json::value")]
    value: Option<String>,
    #[serde(flatten)]
    from: From,
}

/// Who says what an option is.
#[derive(Serialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
enum From {
    /// A file of the operator.
    File { file: String, line: usize },
    /// A node that is in the program.
    Shipped { file: String, line: usize },
    /// A module that brings this one with it.
    Implied { module: &'static str },
    /// Nobody, and there is a default.
    Default,
    /// Nobody.
    Unset,
}

impl<'a> NodeOptions<'a> {
    pub fn of(effective: &'a Effective) -> Self {
        let files = effective.files.iter();
        let file = |name: &str, shipped| File { file: name.to_owned(), shipped };
        let has = |name: &str| effective.modules.iter().any(|(module, _)| module.name == name);
        let modules = effective.modules.iter().map(|(module, options)| Module {
            name: module.name,
            summary: module.summary,
            options: options.iter().map(NodeOption::of).collect(),
        });
        Self {
            node: effective.files.first().map_or("", |file| file.name()),
            files: files.map(|found| file(found.shown(), found.folder().is_none())).collect(),
            options: effective.options.iter().map(NodeOption::of).collect(),
            modules: modules.collect(),
            absent: MODULES.iter().map(|module| module.name).filter(|name| !has(name)).collect(),
        }
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let files: Vec<String> = self.files.iter().map(File::shown).collect();
        writeln!(out, "{}", files.join(", which starts from "))?;
        let columns =
            Columns::of(self.modules.iter().flat_map(|module| &module.options).chain(&self.options));
        columns.write(out, &self.options)?;
        for module in &self.modules {
            writeln!(out, "\n{}: {}", module.name, module.summary)?;
            columns.write(out, &module.options)?;
        }
        match self.absent.as_slice() {
            [] => Ok(()),
            absent => writeln!(out, "\nmodules that it does not have: {}", absent.join(", ")),
        }
    }
}

impl File {
    fn shown(&self) -> String {
        format!("{}{}", if self.shipped { "shipped " } else { "" }, on_a_line(&self.file))
    }
}

impl NodeOption {
    fn of(option: &Described) -> Self {
        let (value, from) = match (&option.written, &option.default) {
            (Some((value, origin)), _) => (Some(value), From::of(origin)),
            (None, Some(default)) => (Some(default), From::Default),
            (None, None) => (None, From::Unset),
        };
        Self { key: option.key, value: value.cloned(), from }
    }

    fn shown(&self) -> String {
        self.value.as_deref().map(|value| format!("= {}", on_a_line(value))).unwrap_or_default()
    }
}

impl From {
    fn of(origin: &Origin) -> Self {
        let file = |place: &Place| place.source.name().to_owned();
        match origin {
            Origin::File(place) => Self::File { file: file(place), line: place.line() },
            Origin::Shipped(place) => Self::Shipped { file: file(place), line: place.line() },
            Origin::Implied(module) => Self::Implied { module },
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{}:{line}", on_a_line(file)),
            Self::Shipped { file, line } => write!(f, "shipped {file}:{line}"),
            Self::Implied { module } => write!(f, "implied by {module}"),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// How wide keys and values are, so that all places stand below each other.
struct Columns {
    keys: usize,
    values: usize,
}

impl Columns {
    fn of<'a>(options: impl Iterator<Item = &'a NodeOption> + Clone) -> Self {
        let values = options.clone().map(|option| option.shown().chars().count());
        Self {
            keys: options.map(|option| option.key.len()).max().unwrap_or_default(),
            values: values.filter(|width| *width <= WIDEST).max().unwrap_or_default(),
        }
    }

    fn write(&self, out: &mut impl Write, options: &[NodeOption]) -> io::Result<()> {
        let Self { keys, values } = self;
        options.iter().try_for_each(|option| {
            writeln!(out, "  {:keys$} {:values$}  # {}", option.key, option.shown(), option.from)
        })
    }
}

/// Names of files and values are anybody's: nothing in them moves the cursor, or looks like a line of ours.
fn on_a_line(text: &str) -> String {
    report::visible(text).replace('\n', "\\n")
}
