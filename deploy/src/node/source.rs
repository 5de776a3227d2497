//! Finding the files of a node: those in the program, and the operator's own, which may start from another.

use std::{
    borrow::Cow,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use include_dir::{Dir, File, include_dir};
use miette::NamedSource;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{listed, nearest, options::lookup};
use crate::{
    problem::{Place, Problem, Problems, Source},
    value::{OptionValue, Text, Wrong},
};

/// The key that names the node from which another one starts.
pub(super) const FROM: &str = "from";
/// Most bytes of a node's file.
const MAX_BYTES: u64 = 1 << 20;
/// Most files of which each starts from the next.
const MAX_DEPTH: usize = 8;

/// What the program holds: a file `NAME.toml` for each shipped node, and beside it what it names.
pub static SHIPPED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/nodes");

/// The names and texts of the shipped nodes, sorted by name.
#[must_use]
pub fn shipped() -> Vec<(&'static str, &'static str)> {
    let node = |file: &'static File<'static>| {
        Some((file.path().to_str()?.strip_suffix(".toml")?, file.contents_utf8()?))
    };
    let mut nodes: Vec<_> = SHIPPED.files().filter_map(node).collect();
    nodes.sort_unstable();
    nodes
}

/// One file of a node.
#[derive(Clone, Debug)]
pub struct NodeFile {
    name: String,
    source: Source,
    folder: Option<PathBuf>,
}

impl NodeFile {
    /// Finds a node, by the name of a shipped one or the path of a file, and those that it starts from.
    ///
    /// # Errors
    ///
    /// If there is none, it cannot be read, or it starts from itself.
    pub fn find(node: &str) -> Result<Vec<Self>, Problems> {
        let mut files = vec![Self::named_or_at(node, None)?];
        while let Some((from, place)) = files.last().and_then(Self::from) {
            if files.len() == MAX_DEPTH {
                let problem = Problem::new(format!("more than {MAX_DEPTH} nodes that start from each other"));
                return Err(problem
                    .help("a node cannot start from itself, however many lie between")
                    .at(place)
                    .into());
            }
            let below = files.last().and_then(|file| file.folder.clone());
            files.push(Self::named_or_at(&from, below.as_deref()).map_err(|problem| problem.at(place))?);
        }
        Ok(files)
    }

    /// A node's file from its text.
    #[must_use]
    pub fn from_text(name: &str, shown: &str, text: &str) -> Self {
        Self { name: name.to_owned(), source: named(shown, text), folder: None }
    }

    /// Its name: of a shipped node, or of its file without `.toml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As it is shown: the path of an operator's, `NAME.toml` of a shipped one.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.source.name()
    }

    /// The folder that its paths begin in; none for a node that is in the program.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub(super) fn source(&self) -> Source {
        self.source.clone()
    }

    pub(super) fn text(&self) -> &str {
        self.source.inner()
    }

    fn named_or_at(node: &str, below: Option<&Path>) -> Result<Self, Problem> {
        if let Some((name, text)) = shipped().into_iter().find(|(name, _)| *name == node) {
            return Ok(Self::from_text(name, &format!("{name}.toml"), text));
        }
        if !node.ends_with(".toml") {
            let problem = Problem::new(format!("there is no shipped node `{}`", node.escape_debug()));
            return Err(problem.help(Self::instead_of(node, below)));
        }
        Self::read(&below.unwrap_or(Path::new("")).join(node))
    }

    /// What somebody may have meant who names a node that there is not.
    fn instead_of(node: &str, below: Option<&Path>) -> String {
        let file = format!("{node}.toml");
        if below.unwrap_or(Path::new("")).join(&file).is_file() {
            return format!("did you mean your own file, `{}`?", file.escape_debug());
        }
        let names = || shipped().into_iter().map(|(name, _)| name);
        let meant = nearest(node, names()).map(|name| format!("did you mean `{name}`?"));
        let all = || format!("there is {}", listed(names()));
        format!(
            "{} A node of your own is given as the path of its file, which ends in .toml",
            meant.unwrap_or_else(|| all() + ".")
        )
    }

    fn read(path: &Path) -> Result<Self, Problem> {
        let shown = path.display().to_string();
        let unread = |why: String| {
            Problem::new(format!("cannot read the node `{}`: {why}", shown.escape_debug()))
                .help("give the name of a shipped node (`deploy list`), or the path of a file")
        };
        let metadata = std::fs::metadata(path).map_err(|error| unread(error.to_string()))?;
        if !metadata.is_file() {
            return Err(unread("it is no file".to_owned()));
        }
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| unread(error.to_string()))?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => unread("it is no text in UTF-8".to_owned()),
            _ => unread(error.to_string()),
        })?;
        if text.len() as u64 > MAX_BYTES {
            return Err(unread(format!("it has more than {MAX_BYTES} bytes")));
        }
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder =
            path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        Ok(Self { name, source: named(&shown, &text), folder: folder.map(Path::to_owned) })
    }

    /// The node that it starts from, and where it says so.
    fn from(&self) -> Option<(String, Place)> {
        let (document, _) = DeTable::parse_recoverable(self.text());
        let value = lookup(document.get_ref(), FROM)?;
        let from = value.get_ref().as_str()?.to_owned();
        Some((from, Place { source: self.source(), span: value.span() }))
    }
}

/// The node that another one starts from, as it is written.
pub(super) struct From(Text);

impl OptionValue for From {
    fn expected() -> Cow<'static, str> {
        "the name of a shipped node, or the path of a node's file".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        Text::read(value)
            .map(Self)
            .map_err(|wrong| Wrong { help: format!("write {}", Self::expected()), ..wrong })
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// A file as it is shown.
pub(super) fn named(shown: &str, text: &str) -> Source {
    Arc::new(NamedSource::new(shown, text.to_owned()))
}
