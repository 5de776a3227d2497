//! Nodes: the files that describe a machine, and what they set.

mod options;
mod source;

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use self::{options::lookup, source::From};
pub use self::{
    options::{Described, Options, Origin},
    source::{NodeFile, SHIPPED, shipped},
};
use crate::{
    choice,
    problem::{Place, Problem, Problems, Source},
    value::{HostName, TimeZone},
};

choice! {
    /// The processor of a machine, by Debian's and the kernel's name.
    Architecture {
        /// 64-bit ARM.
        Aarch64 = "aarch64",
        /// 64-bit Intel and AMD.
        X86_64 = "x86_64",
    }
}

choice! {
    /// What kind of machine it is.
    Platform {
        /// A virtual machine of a developer: the only one on which snake-oil secrets may be.
        DevVm = "devm",
        /// An instance of EC2.
        Ec2 = "ec2",
    }
}

choice! {
    /// Which of the two systems of a node.
    Variant {
        /// Everything.
        Run = "run",
        /// Everything except a running Odoo, so that data can be loaded.
        Bootstrap = "bootstrap",
    }
}

/// What a node says of the machine itself, beside its modules.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The name of the node.
    pub name: String,
    /// The processor.
    pub architecture: Architecture,
    /// The kind of machine.
    pub platform: Platform,
    /// The host's name; none where the instance's metadata tell it.
    pub host_name: Option<HostName>,
    /// The time zone.
    pub time_zone: TimeZone,
}

/// A table of a node's file.
pub struct Table<'a> {
    source: Source,
    /// Where paths in it begin; none in the program.
    folder: Option<PathBuf>,
    /// The module that brings it with it, if one does.
    implied_by: Option<&'static str>,
    entries: &'a DeTable<'a>,
}

impl Table<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        let place = Place { source: self.source.clone(), span };
        match (self.implied_by, &self.folder) {
            (Some(module), _) => Origin::Implied(module),
            (None, Some(_)) => Origin::File(place),
            (None, None) => Origin::Shipped(place),
        }
    }
}

/// A file of a node, parsed.
struct Layer<'a> {
    source: Source,
    folder: Option<PathBuf>,
    implied_by: Option<&'static str>,
    entries: DeTable<'a>,
}

/// A node: its own file, those that it starts from, and what its modules imply, in the order in which they win.
pub struct Node<'a> {
    /// What it says of the machine.
    pub machine: Machine,
    /// The options that say it.
    pub options: Vec<Described>,
    layers: Vec<Layer<'a>>,
}

impl<'a> Node<'a> {
    /// Parses the files of a node, of which each starts from the next, and what its modules imply for others. What is
    /// wrong with what it says of the machine itself is noted.
    ///
    /// # Errors
    ///
    /// Everything that is no TOML.
    pub fn parse(
        files: &'a [NodeFile],
        implied: &'a [(&'static str, NodeFile)],
        modules: &[&'static str],
        problems: &mut Problems,
    ) -> Result<Self, Problems> {
        let mut syntax = Problems::default();
        let mut layers: Vec<Layer<'_>> = files.iter().map(|file| layer(file, &mut syntax)).collect();
        for (module, file) in implied {
            if layers.iter().any(|layer| lookup(&layer.entries, module).is_some()) {
                layers.push(Layer { implied_by: Some(module), ..layer(file, &mut syntax) });
            }
        }
        syntax.none()?;
        let (machine, options) = machine(&files[0], &layers, modules, problems);
        Ok(Self { machine, options, layers })
    }

    /// Reads the options of a module, if the node has it, and tells what each is.
    pub fn module<T>(
        &self,
        module: &'static str,
        read: impl FnOnce(&mut Options<'_>) -> T,
        problems: &mut Problems,
    ) -> Option<(T, Vec<Described>)> {
        let tables = self.tables(module, problems);
        if tables.is_empty() {
            return None;
        }
        let mut options = Options::new(module, tables);
        let value = read(&mut options);
        let (described, wrong) = options.finish();
        problems.extend(wrong);
        Some((value, described))
    }

    /// Where the node sets an option, or else has the module.
    pub(crate) fn place(&self, module: &str, key: &str) -> Option<Place> {
        let tables = || {
            self.layers.iter().filter_map(|layer| {
                let (name, value) = layer.entries.iter().find(|(name, _)| name.get_ref() == module)?;
                Some((layer, name, value.get_ref().as_table()?))
            })
        };
        let option = tables().find_map(|(layer, _, table)| {
            let value = lookup(table, key)?;
            Some(Place { source: layer.source.clone(), span: value.span() })
        });
        option.or_else(|| {
            tables().next().map(|(layer, name, _)| Place { source: layer.source.clone(), span: name.span() })
        })
    }

    fn tables(&self, module: &str, problems: &mut Problems) -> Vec<Table<'_>> {
        let mut tables = Vec::new();
        for layer in &self.layers {
            let Some(value) = lookup(&layer.entries, module) else { continue };
            match value.get_ref().as_table() {
                Some(entries) => tables.push(table(layer, entries)),
                None => problems.push(
                    Problem::new(format!("`{module}` is a module, and so a table"))
                        .help(format!("write [{module}]"))
                        .at(Place { source: layer.source.clone(), span: value.span() }),
                ),
            }
        }
        tables
    }
}

fn table<'a>(layer: &Layer<'_>, entries: &'a DeTable<'a>) -> Table<'a> {
    let Layer { source, folder, implied_by, .. } = layer;
    Table { source: source.clone(), folder: folder.clone(), implied_by: *implied_by, entries }
}

/// What a module takes, for the reference.
#[must_use]
pub fn describe<T>(module: &'static str, read: impl FnOnce(&mut Options<'_>) -> T) -> Vec<Described> {
    let mut options = Options::new(module, Vec::new());
    read(&mut options);
    options.finish().0
}

/// Parses one file, noting everything that is no TOML.
fn layer<'a>(file: &'a NodeFile, problems: &mut Problems) -> Layer<'a> {
    let source = file.source();
    let (document, errors) = DeTable::parse_recoverable(file.text());
    problems.extend(errors.into_iter().map(|error| {
        let problem = Problem::new(error.message().lines().next().unwrap_or_default())
            .help("node files are TOML 1.0: `key = value`, and [module] above the options of a module");
        match error.span() {
            Some(span) => problem.at(Place { source: source.clone(), span }),
            None => problem,
        }
    }));
    let folder = file.folder().map(Path::to_owned);
    Layer { source, folder, implied_by: None, entries: document.into_inner() }
}

/// Reads what is not in a module's table.
fn machine(
    file: &NodeFile,
    layers: &[Layer<'_>],
    modules: &[&'static str],
    problems: &mut Problems,
) -> (Machine, Vec<Described>) {
    let tables = layers.iter().map(|layer| table(layer, &layer.entries));
    let mut options = Options::new("the node", tables.collect());
    let machine = read_machine(&mut options, file);
    let (described, wrong) = options.finish_beside(modules);
    problems.extend(wrong);
    (machine, described)
}

fn read_machine(options: &mut Options<'_>, file: &NodeFile) -> Machine {
    // Was followed when the files were found.
    options.optional::<From>(source::FROM);
    Machine {
        name: file.name().to_owned(),
        architecture: options.required("architecture", Architecture::X86_64),
        platform: options.required("platform", Platform::Ec2),
        host_name: options.optional("host-name"),
        time_zone: options.get("time-zone", TimeZone::utc()),
    }
}

/// What somebody may have meant by a name.
fn suggestion<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(written, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", listed(known)),
    }
}

/// The name that is like what was written, if one is.
fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = known.map(|name| (strsim::jaro_winkler(written, name), name));
    let (likeness, name) = likeness.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (likeness > 0.8).then_some(name)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
