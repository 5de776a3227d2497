//! Files of the system, with their owner and mode.

use super::ROOT;
use crate::value::{AbsolutePath, UserName};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file of text.
    Text(String),
    /// A file of bytes.
    Bytes(Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link, with where it points.
    Link(AbsolutePath),
}

/// A file, folder or link, with who may do what with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is there.
    pub content: Content,
    /// Its owner.
    pub owner: UserName,
    /// Its group.
    pub group: UserName,
    /// Its permission bits.
    pub mode: u32,
}

/// Makes an [`Entry`]: root's and readable by all unless it says otherwise.
#[derive(Clone, Debug)]
pub struct File(Entry);

impl File {
    /// A file of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::with(Content::Text(text.into()), 0o644)
    }

    /// A script or program.
    #[must_use]
    pub fn script(text: impl Into<String>) -> Self {
        Self::with(Content::Text(text.into()), 0o755)
    }

    /// A file of bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::with(Content::Bytes(bytes.into()), 0o644)
    }

    /// A folder.
    #[must_use]
    pub fn folder() -> Self {
        Self::with(Content::Folder, 0o755)
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(target: AbsolutePath) -> Self {
        Self::with(Content::Link(target), 0o777)
    }

    /// Another owner, and the group of the same name.
    #[must_use]
    pub fn owner(mut self, owner: &UserName) -> Self {
        self.0.owner = owner.clone();
        self.0.group = owner.clone();
        self
    }

    /// Another group.
    #[must_use]
    pub fn group(mut self, group: &UserName) -> Self {
        self.0.group = group.clone();
        self
    }

    /// Other permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.0.mode = mode;
        self
    }

    fn with(content: Content, mode: u32) -> Self {
        let root = || UserName::known(ROOT);
        Self(Entry { content, owner: root(), group: root(), mode })
    }
}

impl From<File> for Entry {
    fn from(file: File) -> Self {
        file.0
    }
}
