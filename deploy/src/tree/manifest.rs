//! What the files of a system cannot say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use vault_format::Digest;

use crate::{
    node::{Machine, Variant},
    system::{Artifact, By, Content, Enabled, Entry, Handing, System},
    value::AbsolutePath,
};

/// The version of the manifest's format.
const VERSION: u32 = 1;

/// Everything of a rendered system but its files' contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The name of the node.
    pub node: String,
    /// `run` or `bootstrap`.
    pub variant: String,
    /// The processor.
    pub architecture: String,
    /// The kind of machine.
    pub platform: String,
    /// Packages of Debian.
    pub packages: BTreeSet<String>,
    /// What else is installed, by path.
    pub artifacts: BTreeMap<String, ArtifactFacts>,
    /// Users and groups: their number, by name.
    pub users: BTreeMap<String, u32>,
    /// Groups: their number, by name.
    pub groups: BTreeMap<String, u32>,
    /// Files, folders and links, by path.
    pub files: BTreeMap<String, FileFacts>,
    /// Our units, by name: what starts each.
    pub units: BTreeMap<String, String>,
    /// TCP ports that something listens on: the unit of each.
    pub ports: BTreeMap<u16, String>,
    /// TCP ports that the firewall lets in.
    pub open_ports: BTreeSet<u16>,
    /// Databases: the role that owns each.
    pub databases: BTreeMap<String, String>,
    /// Secrets that units get.
    pub secrets: Vec<SecretFacts>,
}

/// A program that is not a package of the box's own Debian, and what it is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArtifactFacts {
    /// A root of another release of Debian.
    DebianRoot {
        /// The release.
        suite: String,
        /// Its packages.
        packages: Vec<String>,
    },
    /// A virtual environment of Python.
    PythonEnvironment {
        /// The file of what is in it, with versions and hashes.
        lock: String,
    },
    /// Wheels, unpacked into the folder, and without what they depend on.
    Wheels {
        /// The release of Python that they are for.
        python: String,
        /// As pip takes them, each with its version.
        requirements: Vec<String>,
    },
    /// Programs of odbox itself.
    Programs(Vec<String>),
}

impl ArtifactFacts {
    fn of(artifact: &Artifact) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match artifact {
            Artifact::DebianRoot { suite, packages } => {
                Self::DebianRoot { suite: (*suite).to_owned(), packages: owned(packages) }
            }
            Artifact::PythonEnvironment { lock } => Self::PythonEnvironment { lock: lock.to_string() },
            Artifact::Wheels { python, requirements } => {
                Self::Wheels { python: (*python).to_owned(), requirements: requirements.clone() }
            }
            Artifact::Programs(names) => Self::Programs(owned(names)),
        }
    }
}

impl fmt::Display for ArtifactFacts {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DebianRoot { suite, packages } => write!(to, "Debian {suite}: {}", packages.join(" ")),
            Self::PythonEnvironment { lock } => write!(to, "Python: {lock}"),
            Self::Wheels { python, requirements } => {
                write!(to, "wheels for Python {python}: {}", requirements.join(" "))
            }
            Self::Programs(names) => write!(to, "odbox: {}", names.join(" ")),
        }
    }
}

/// Who may do what with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileFacts {
    /// The module that it comes from.
    pub by: String,
    /// `file`, `folder` or `link`.
    pub kind: String,
    /// Its owner.
    pub owner: String,
    /// Its group.
    pub group: String,
    /// Its permission bits, in octal.
    pub mode: String,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// SHA-256 of a file that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A secret that a unit gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretFacts {
    /// The unit.
    pub unit: String,
    /// The secret, by its path in the mount.
    pub secret: String,
    /// How the unit gets it.
    pub handing: String,
    /// What for.
    pub why: String,
}

impl Manifest {
    pub(super) fn of(
        machine: &Machine,
        variant: Variant,
        system: &System,
        entries: &BTreeMap<AbsolutePath, By<Entry>>,
    ) -> Self {
        let mut secrets: Vec<SecretFacts> = system.secrets.iter().map(|need| secret(&need.value)).collect();
        secrets.sort_by(|one, other| (&one.unit, &one.secret).cmp(&(&other.unit, &other.secret)));
        Self {
            version: VERSION,
            node: machine.name.clone(),
            variant: variant.as_str().to_owned(),
            architecture: machine.architecture.as_str().to_owned(),
            platform: machine.platform.as_str().to_owned(),
            packages: system.packages.keys().map(ToString::to_string).collect(),
            artifacts: system
                .artifacts
                .iter()
                .map(|(path, by)| (path.to_string(), ArtifactFacts::of(&by.value)))
                .collect(),
            users: system.users.iter().map(|(name, user)| (name.to_string(), user.value.uid)).collect(),
            groups: system.groups.iter().map(|(name, group)| (name.to_string(), group.value.gid)).collect(),
            files: entries.iter().map(|(path, by)| (path.to_string(), file(by))).collect(),
            units: system
                .units
                .iter()
                .map(|(name, unit)| (name.clone(), starts(&unit.value.enabled)))
                .collect(),
            ports: system.ports.iter().map(|(port, unit)| (*port, unit.value.clone())).collect(),
            open_ports: system.open_ports.keys().copied().collect(),
            databases: system
                .databases
                .iter()
                .map(|(name, owner)| (name.to_string(), owner.value.to_string()))
                .collect(),
            secrets,
        }
    }

    /// The text of the file: the same for the same system.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn starts(enabled: &Enabled) -> String {
    match enabled {
        Enabled::WantedBy(target) => (*target).to_owned(),
        Enabled::Static => "-".to_owned(),
        Enabled::Masked => "masked".to_owned(),
    }
}

fn file(By { module, value: Entry { content, owner, group, mode } }: &By<Entry>) -> FileFacts {
    let (kind, target, sha256) = match content {
        Content::Text(_) => ("file", None, None),
        Content::Bytes(bytes) => ("file", None, Some(Digest::of(bytes).to_string())),
        Content::Folder => ("folder", None, None),
        Content::Link(target) => ("link", Some(target.to_string()), None),
    };
    FileFacts {
        by: (*module).to_owned(),
        kind: kind.to_owned(),
        owner: owner.to_string(),
        group: group.to_string(),
        mode: format!("{mode:04o}"),
        target,
        sha256,
    }
}

fn secret(need: &crate::system::SecretUse) -> SecretFacts {
    let handing = match need.handing {
        Handing::Credential(name) => format!("credential {name}"),
        Handing::Path => "path".to_owned(),
    };
    SecretFacts {
        unit: need.unit.to_owned(),
        secret: need.secret.to_string(),
        handing,
        why: need.why.to_owned(),
    }
}
