//! From a description to a system, top to bottom.

use crate::{
    addons::Addons,
    assertions,
    modules::{self, MODULES, Offers, Registration, World},
    node::{Described, Machine, Node, NodeFile, Variant},
    problem::{Problem, Problems},
    system::System,
    tree::Tree,
    vault::NodeVault,
};

/// A node and its variant, with everything that it is made of.
pub struct Resolved {
    /// What the node says of the machine.
    pub machine: Machine,
    /// Which of its two systems.
    pub variant: Variant,
    /// The vault that it serves, if it has one.
    pub vault: Option<NodeVault>,
    /// The system.
    pub system: System,
}

impl Resolved {
    /// Renders it: the same for the same system, to the byte.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::of(&self.machine, self.variant, &self.system)
    }
}

/// A node's options as they are when everybody has had their say.
pub struct Effective {
    /// Its files, of which each starts from the next.
    pub files: Vec<NodeFile>,
    /// What it says of the machine itself.
    pub options: Vec<Described>,
    /// The modules that it has.
    pub modules: Vec<(&'static Registration, Vec<Described>)>,
}

impl Effective {
    /// Loads a node and resolves its options: its vault is not opened, and nothing is rendered.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the node's files and options.
    pub fn of(node: &str) -> Result<Self, Problems> {
        let files = NodeFile::find(node)?;
        let (options, modules) = with_node(&files, |node, mut problems| {
            let modules = modules::effective(node, &mut problems);
            problems.none().map(|()| (node.options.clone(), modules))
        })?;
        Ok(Self { files, options, modules })
    }
}

/// Load, resolve, assert, render: the tree of a node.
///
/// # Errors
///
/// Everything that is wrong with the node, its options, or how they fit together. Nothing was written.
pub fn render(node: &str, variant: Variant) -> Result<(Resolved, Tree), Problems> {
    let files = NodeFile::find(node)?;
    let resolved = resolve(&files, variant)?;
    let tree = resolved.tree();
    Ok((resolved, tree))
}

/// Resolves a node's files to a system in which nothing contradicts itself.
///
/// # Errors
///
/// As [`render`].
pub fn resolve(files: &[NodeFile], variant: Variant) -> Result<Resolved, Problems> {
    with_node(files, |node, problems| resolve_node(node, variant, problems))
}

/// Parses a node, and hands it on with what is wrong with it so far. What is wrong in the end gets its places.
fn with_node<T>(
    files: &[NodeFile],
    go_on: impl FnOnce(&Node<'_>, Problems) -> Result<T, Problems>,
) -> Result<T, Problems> {
    let implied = modules::implied();
    let names = MODULES.map(|module| module.name);
    let mut problems = Problems::default();
    let node = Node::parse(files, &implied, &names, &mut problems)?;
    go_on(&node, problems).map_err(|problems| problems.placed(|module, key| node.place(module, key)))
}

fn resolve_node(node: &Node<'_>, variant: Variant, mut problems: Problems) -> Result<Resolved, Problems> {
    let modules = modules::read(node, &mut problems);
    problems.none()?;

    let mut offers = Offers::default();
    for (_, module) in &modules {
        module.offer(&mut offers);
    }
    let vault = offers.vault.as_ref().map(|vault| NodeVault::open(vault, &node.machine)).transpose()?;

    let addons = Addons::read(&offers.addons)?;

    let mut system = System::default();
    let world =
        World { machine: &node.machine, variant, vault: vault.as_ref(), addons: &addons, offers: &offers };
    for (name, module) in &modules {
        if let Err(unwritable) = module.contribute(&world, &mut system.by(name)) {
            system.problems.push(Problem::new(format!("{name}: {unwritable}")));
        }
    }
    for (name, module) in &modules {
        match module.conclude(&world, &system) {
            Ok(files) => files.into_iter().for_each(|(path, file)| system.by(name).file(path, file)),
            Err(unwritable) => system.problems.push(Problem::new(format!("{name}: {unwritable}"))),
        }
    }
    let mut problems = std::mem::take(&mut system.problems);
    problems.extend(assertions::failed(&system, &world));
    problems.none()?;
    Ok(Resolved { machine: node.machine.clone(), variant, vault, system })
}
