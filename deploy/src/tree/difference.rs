//! What is different between two rendered systems.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use similar::TextDiff;

use super::{Manifest, Tree};
use crate::system::Content;

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is only in the newer one.
    Added,
    /// It is only in the older one.
    Removed,
    /// It is in both, and not the same.
    Changed,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// What kind of thing it is, such as `package`.
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// The lines that differ, or the old and new value.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '~',
        };
        write!(f, "{sign} {} {}", self.kind, self.name)?;
        match self.detail.as_str() {
            "" => Ok(()),
            line if !line.contains('\n') => write!(f, ": {line}"),
            lines => lines.lines().try_for_each(|line| write!(f, "\n    {line}")),
        }
    }
}

impl Tree {
    /// What changes from `before` to this tree: packages, users, units, ports and the rest first, then files.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let (old, new) = (&before.manifest, &self.manifest);
        let mut differences = of_manifests(old, new);
        let paths: BTreeSet<_> = before.files.keys().chain(self.files.keys()).collect();
        for path in paths {
            let name = path.to_string();
            let (from, to) = (before.files.get(path), self.files.get(path));
            let facts = |manifest: &Manifest| manifest.files.get(&name).map(rights).unwrap_or_default();
            let rights = match (facts(old), facts(new)) {
                (from, to) if from == to || from.is_empty() || to.is_empty() => String::new(),
                (from, to) => format!("{from} -> {to}"),
            };
            let change = match (from, to) {
                (Some(from), Some(to)) if from == to && rights.is_empty() => continue,
                (Some(_), Some(_)) => Change::Changed,
                (None, _) => Change::Added,
                (Some(_), None) => Change::Removed,
            };
            let lines = if from == to { String::new() } else { of_contents(from, to) };
            let detail =
                [rights, lines].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
            differences.push(Difference { change, kind: "file", name, detail });
        }
        differences
    }
}

fn rights(facts: &super::manifest::FileFacts) -> String {
    format!("{} {}:{} {}", facts.kind, facts.owner, facts.group, facts.mode)
}

fn of_manifests(old: &Manifest, new: &Manifest) -> Vec<Difference> {
    let identity = |manifest: &Manifest| {
        let Manifest { node, variant, architecture, platform, .. } = manifest;
        let named =
            [("node", node), ("variant", variant), ("architecture", architecture), ("platform", platform)];
        named.map(|(name, value)| (name.to_owned(), value.clone())).into_iter().collect::<BTreeMap<_, _>>()
    };
    let words = |set: &BTreeSet<String>| set.iter().map(|word| (word.clone(), String::new())).collect();
    let text = |map: &BTreeMap<String, u32>| {
        map.iter().map(|(name, number)| (name.clone(), number.to_string())).collect()
    };
    let ports = |map: &BTreeMap<u16, String>| {
        map.iter().map(|(port, unit)| (port.to_string(), unit.clone())).collect()
    };
    let artifacts = |manifest: &Manifest| {
        let facts = manifest.artifacts.iter();
        facts.map(|(path, facts)| (path.clone(), facts.to_string())).collect()
    };
    let open = |set: &BTreeSet<u16>| set.iter().map(|port| (port.to_string(), String::new())).collect();
    let secrets = |manifest: &Manifest| {
        let facts = manifest.secrets.iter();
        facts
            .map(|secret| (format!("{} of {}", secret.secret, secret.unit), secret.handing.clone()))
            .collect()
    };
    [
        of_maps("setting", &identity(old), &identity(new)),
        of_maps("package", &words(&old.packages), &words(&new.packages)),
        of_maps("artifact", &artifacts(old), &artifacts(new)),
        of_maps("group", &text(&old.groups), &text(&new.groups)),
        of_maps("user", &text(&old.users), &text(&new.users)),
        of_maps("unit", &old.units, &new.units),
        of_maps("port", &ports(&old.ports), &ports(&new.ports)),
        of_maps("open port", &open(&old.open_ports), &open(&new.open_ports)),
        of_maps("database", &old.databases, &new.databases),
        of_maps("secret", &secrets(old), &secrets(new)),
    ]
    .concat()
}

fn of_maps(
    kind: &'static str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |name: &String| {
        let (change, detail) = match (old.get(name), new.get(name)) {
            (Some(from), Some(to)) if from == to => return None,
            (Some(from), Some(to)) => (Change::Changed, format!("{from} -> {to}")),
            (None, to) => (Change::Added, to.cloned().unwrap_or_default()),
            (Some(_), None) => (Change::Removed, String::new()),
        };
        Some(Difference { change, kind, name: name.clone(), detail })
    };
    names.into_iter().filter_map(difference).collect()
}

/// The lines that differ, if both are text or not there.
fn of_contents(from: Option<&Content>, to: Option<&Content>) -> String {
    match (text(from), text(to)) {
        (Some(from), Some(to)) => {
            let lines = TextDiff::from_lines(&from, &to);
            let hunks: Vec<String> =
                lines.unified_diff().context_radius(3).iter_hunks().map(|hunk| hunk.to_string()).collect();
            hunks.concat().trim_end().to_owned()
        }
        _ => "bytes".to_owned(),
    }
}

fn text(content: Option<&Content>) -> Option<String> {
    match content {
        None | Some(Content::Folder) => Some(String::new()),
        Some(Content::Text(text)) => Some(text.clone()),
        Some(Content::Link(target)) => Some(format!("-> {target}\n")),
        Some(Content::Bytes(_)) => None,
    }
}
