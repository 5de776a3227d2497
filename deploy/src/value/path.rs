//! Paths: on the machine, and where the node is.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong, quoted, text};

/// A path on the machine: absolute, normal, and of characters that no configuration file gives a meaning.
///
/// So it needs no quotes in units, Nginx, PostgreSQL, shell or mount tables, of which some have none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbsolutePath(String);

impl AbsolutePath {
    /// Checks a path.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn new(path: &str) -> Result<Self, &'static str> {
        if !path.starts_with('/') {
            return Err("is not absolute");
        }
        if !path.chars().all(is_plain) {
            return Err("has characters other than letters, digits and . _ - + @ :");
        }
        Self::normal(path)
    }

    /// Checks the path of a file that is on a machine and that no other file names but by a link: it may also have `,` and
    /// `=`, as names of secrets have, and a backslash, as names of units have.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn of_file(path: &str) -> Result<Self, &'static str> {
        match path {
            _ if !path.starts_with('/') => Err("is not absolute"),
            _ if !path.chars().all(|c| is_plain(c) || ",=\\".contains(c)) => {
                Err("has characters other than letters, digits and . _ - + @ : , = \\")
            }
            _ => Self::normal(path),
        }
    }

    fn normal(path: &str) -> Result<Self, &'static str> {
        if path.len() > 1
            && (path.ends_with('/') || path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")))
        {
            return Err("is not normal: it ends with a slash, or has an empty part, . or ..");
        }
        Ok(Self(path.to_owned()))
    }

    /// A path of our own, which is known to be one.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn known(path: &'static str) -> Self {
        Self::new(path).expect("a path that we wrote is sound")
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it is in; of `/` it is `/`.
    #[must_use]
    pub fn parent(&self) -> Self {
        let end = self.0.rfind('/').unwrap_or_default().max(1);
        Self(self.0[..end].to_owned())
    }

    /// A file below it, by a relative path of our own. It may have a backslash, as names of units have.
    ///
    /// # Panics
    ///
    /// If the path is not relative and plain.
    #[must_use]
    pub fn join(&self, below: &str) -> Self {
        let joined = if self.0 == "/" { format!("/{below}") } else { format!("{}/{below}", self.0) };
        assert!(joined.chars().all(|c| is_plain(c) || c == '\\'), "{joined:?} is no path that we write");
        Self::normal(&joined).expect("a path that we wrote is sound")
    }
}

/// Whether a character has no meaning in any file that a path is written to.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-+@:".contains(c)
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for AbsolutePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl OptionValue for AbsolutePath {
    fn expected() -> Cow<'static, str> {
        "a path on the machine that begins with /".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let written = text::<Self>(value)?;
        Self::new(written).map_err(|why| Wrong::value::<Self>(format!("the path `{written}` {why}")))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// A path for the box's own data: nothing that the system has there already is replaced, or hidden by a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPath(AbsolutePath);

/// Folders below which everything is the system's.
const OF_SYSTEM: [&str; 11] =
    ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/tmp", "/usr"];
/// Folders that hold what is others', each below a name of its own.
const SHARED: [&str; 14] = [
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

impl DataPath {
    /// A path of our own, which is known to be one.
    #[must_use]
    pub fn known(path: &'static str) -> Self {
        Self(AbsolutePath::known(path))
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &AbsolutePath {
        &self.0
    }
}

impl OptionValue for DataPath {
    fn expected() -> Cow<'static, str> {
        "a path on the machine with nothing of the system's at it, such as /srv/data".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        let path = AbsolutePath::read(value)?;
        let is_within = |folder: &&str| {
            path.as_str()
                .strip_prefix(*folder)
                .is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        if SHARED.contains(&path.as_str()) || OF_SYSTEM.iter().any(is_within) {
            return Err(Wrong::value::<Self>(format!("`{path}` is the system's own")));
        }
        Ok(Self(path))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// A file or folder that a node names: relative to the node's file, or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePath(PathBuf);

impl OptionValue for NodePath {
    fn expected() -> Cow<'static, str> {
        "a path, relative to the node's file or absolute".into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        match text::<Self>(value)? {
            "" => Err(Wrong::value::<Self>("an empty path")),
            written if written.contains('\0') => Err(Wrong::value::<Self>("a path with a NUL")),
            written => Ok(Self(written.into())),
        }
    }

    fn show(&self) -> String {
        quoted(&self.0.to_string_lossy())
    }
}

/// A file or folder that a node names, as it is found from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// On this machine.
    OnDisk(PathBuf),
    /// Beside a node that is in the program.
    InProgram(PathBuf),
}

impl Located {
    /// What a node names in a file of this folder, or in the program.
    #[must_use]
    pub fn new(path: NodePath, folder: Option<&Path>) -> Self {
        match folder {
            Some(folder) => Self::OnDisk(folder.join(path.0)),
            None => Self::InProgram(path.0),
        }
    }

    /// Its path, on this machine or in the program.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::OnDisk(path) | Self::InProgram(path) => path,
        }
    }
}
