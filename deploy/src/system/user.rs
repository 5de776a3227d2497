//! Users and groups of the system.

use crate::value::{AbsolutePath, UserName};

/// The user who may do everything.
pub const ROOT: &str = "root";

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub gid: u32,
}

/// A user, who has a group of the same name and number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number of the user and of the group of the same name.
    pub uid: u32,
    /// What it is for.
    pub description: &'static str,
    /// The home folder.
    pub home: AbsolutePath,
    /// The login shell.
    pub shell: AbsolutePath,
    /// Other groups.
    pub groups: Vec<UserName>,
}

impl User {
    /// The user of a service, who cannot log in.
    #[must_use]
    pub fn service(uid: u32, description: &'static str, home: &AbsolutePath) -> Self {
        let shell = AbsolutePath::known("/usr/sbin/nologin");
        Self { uid, description, home: home.clone(), shell, groups: Vec::new() }
    }

    /// Other groups that it is in.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = UserName>) -> Self {
        self.groups.extend(groups);
        self
    }
}
