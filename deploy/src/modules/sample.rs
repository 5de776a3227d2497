//! Small nodes, for the tests of modules.

use miette::Diagnostic;

use crate::{
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    problem::Problems,
    system::Content,
    tree::Tree,
    value::AbsolutePath,
};

/// What the snake-oil vault knows: it is called so in it.
const DEV_VM: &str = "\
architecture = \"x86_64\"
platform = \"devm\"
host-name = \"devm\"
";

/// A dev VM with these tables.
pub fn dev_vm(tables: &str) -> Result<Resolved, Problems> {
    node("devm-x86_64", &format!("{DEV_VM}{tables}"))
}

/// Any node.
pub fn node(name: &str, text: &str) -> Result<Resolved, Problems> {
    pipeline::resolve(&[NodeFile::from_text(name, "node.toml", text)], Variant::Run)
}

/// What is rendered of a dev VM with these tables.
#[track_caller]
pub fn tree(tables: &str) -> Tree {
    sound(dev_vm(tables)).tree()
}

/// What nothing is wrong with.
#[track_caller]
pub fn sound(resolved: Result<Resolved, Problems>) -> Resolved {
    resolved.unwrap_or_else(|problems| panic!("{}", all(&problems)))
}

/// What is wrong with a dev VM with these tables.
#[track_caller]
pub fn problems(tables: &str) -> String {
    dev_vm(tables).err().map(|problems| all(&problems)).expect("something is wrong")
}

/// Every message with its help, a line each.
pub fn all(problems: &Problems) -> String {
    let line = |problem: &crate::problem::Problem| {
        let help = problem.help().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{problem}{help}\n")
    };
    problems.iter().map(line).collect()
}

impl Tree {
    /// The text of a file that is there.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> &str {
        match self.at(path) {
            Some(Content::Text(text)) => text,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// What is at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Content> {
        self.files.get(&AbsolutePath::of_file(path).expect("a path"))
    }

    /// Where a link that is there points.
    #[track_caller]
    pub(crate) fn link(&self, path: &str) -> &str {
        match self.at(path) {
            Some(Content::Link(target)) => target.as_str(),
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Owner, group and mode of what is at a path.
    #[track_caller]
    pub(crate) fn access(&self, path: &str) -> (&str, &str, &str) {
        let facts = self.manifest.files.get(path).unwrap_or_else(|| panic!("there is no {path}"));
        (&facts.owner, &facts.group, &facts.mode)
    }
}
