//! A whole system as a plain value: what modules contribute to, and what is written, compared and checked.
//!
//! Two modules that claim the same file, user, number, port or unit are a problem that names both: nothing is
//! silently replaced.

mod born_key;
mod contributor;
mod file;
mod sandbox;
mod secret;
mod unit;
mod user;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    born_key::BornKey,
    contributor::Contributor,
    file::{Content, Entry, File},
    sandbox::{Network, Sandbox},
    secret::{Handing, SecretUse},
    unit::{Enabled, Unit},
    user::{Group, ROOT, User},
};
use crate::{
    problem::{Problem, Problems},
    value::{AbsolutePath, PackageName, PostgresName, UserName},
};

/// The name of a module.
pub type Module = &'static str;

/// Something, and the module that contributed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By<T> {
    /// The module.
    pub module: Module,
    /// What it contributed.
    pub value: T,
}

/// A program that is not a package of the box's own Debian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A root of another release of Debian, with these packages.
    DebianRoot {
        /// The release, such as `bullseye`.
        suite: &'static str,
        /// Its packages.
        packages: Vec<&'static str>,
    },
    /// A virtual environment of Python.
    PythonEnvironment {
        /// What is in it: a file of the system with the version and the hashes of each package, as pip takes it with
        /// `--require-hashes`.
        lock: AbsolutePath,
    },
    /// Wheels, unpacked into the folder as for this release of Python, and without what they depend on.
    Wheels {
        /// The release, such as `3.9`.
        python: &'static str,
        /// As pip takes them, each with its version.
        requirements: Vec<String>,
    },
    /// Programs of odbox itself.
    Programs(Vec<&'static str>),
}

/// Everything that a box is made of.
#[derive(Debug, Default)]
pub struct System {
    /// Debian's packages, with the modules that want each.
    pub packages: BTreeMap<PackageName, BTreeSet<Module>>,
    /// What else is installed, by its path.
    pub artifacts: BTreeMap<AbsolutePath, By<Artifact>>,
    /// Groups by name.
    pub groups: BTreeMap<UserName, By<Group>>,
    /// Users by name.
    pub users: BTreeMap<UserName, By<User>>,
    /// Files, folders and links, by path.
    pub files: BTreeMap<AbsolutePath, By<Entry>>,
    /// Units by name.
    pub units: BTreeMap<String, By<Unit>>,
    /// Units of packages that are switched on, or off.
    pub packaged_units: BTreeMap<String, By<Enabled>>,
    /// TCP ports that something listens on, with the unit.
    pub ports: BTreeMap<u16, By<String>>,
    /// Ports that the firewall lets in.
    pub open_ports: BTreeMap<u16, BTreeSet<Module>>,
    /// Databases, with the role that owns each.
    pub databases: BTreeMap<PostgresName, By<PostgresName>>,
    /// Which unit gets which secret.
    pub secrets: Vec<By<SecretUse>>,
    /// Keys that are made on the machine and lie on its disk, by path.
    pub born_keys: BTreeMap<AbsolutePath, By<BornKey>>,
    /// Conflicts and failed assertions.
    pub problems: Problems,
}

impl System {
    /// To contribute as a module.
    pub fn by(&mut self, module: Module) -> Contributor<'_> {
        Contributor::new(module, self)
    }
}

/// Adds something that has one owner, or notes the conflict.
fn claim<K: Ord + std::fmt::Display, V: PartialEq>(
    kind: &str,
    claimed: &mut BTreeMap<K, By<V>>,
    (key, value): (K, V),
    module: Module,
    problems: &mut Problems,
) {
    match claimed.get(&key) {
        None => {
            claimed.insert(key, By { module, value });
        }
        Some(other) => {
            let message = format!("the {kind} `{key}` is claimed by `{}` and by `{module}`", other.module);
            problems.push(Problem::new(message).help("change an option of one of them"));
        }
    }
}

#[cfg(test)]
mod tests;
