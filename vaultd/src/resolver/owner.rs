//! Owners and groups as the policy names them, turned into numbers through NSS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use nix::unistd::{Group, User};
use serde::{Deserialize, Serialize};

use crate::sys::confine::ConfineError;

/// Numbers that systemd hands to dynamic users and later to others (systemd.exec(5)).
const RECYCLED: std::ops::RangeInclusive<u32> = 61184..=65519;

/// Why an owner or group cannot be used at all.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OwnerError {
    /// A number that will belong to somebody else one day, or to nobody ever.
    #[error("{number} cannot own a secret: the number is reserved")]
    #[diagnostic(help("use a system user: systemd recycles 61184-65519 among dynamic users"))]
    Reserved {
        /// The number as written.
        number: u32,
    },
    /// It cannot give up what it does not need.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Confine(#[from] ConfineError),
    /// The name service takes too long.
    #[error("the name service does not answer")]
    #[diagnostic(help("see which source of /etc/nsswitch.conf hangs: getent passwd, getent group"))]
    Hangs,
    /// What the verifier found cannot be read.
    #[error("cannot read what is to be looked up")]
    Findings(#[from] io::Error),
    /// The name service failed.
    #[error("cannot look up {name:?}")]
    Lookup {
        /// The name as written.
        name: String,
        /// What the name service said.
        source: io::Error,
    },
}

/// Who owns a file and what its mode allows, never more than the policy meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Owning user.
    pub owner: u32,
    /// Owning group.
    pub group: u32,
    /// Permission bits, at most `0o777`.
    pub mode: u16,
}

/// What there is to look up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Name {
    /// A user.
    User(String),
    /// A group.
    Group(String),
}

impl Name {
    /// The names of an owner and a group that are no numbers.
    pub fn of(owner: &str, group: &str) -> impl Iterator<Item = Self> {
        let user = number(owner).is_none().then(|| Self::User(owner.to_owned()));
        let group = number(group).is_none().then(|| Self::Group(group.to_owned()));
        user.into_iter().chain(group)
    }

    /// Asks the name service, which may take for ever.
    ///
    /// # Errors
    /// [`OwnerError::Lookup`].
    pub fn look_up(&self) -> Result<Option<u32>, OwnerError> {
        let (name, found) = match self {
            Self::User(name) => (name, User::from_name(name).map(|user| user.map(|user| user.uid.as_raw()))),
            Self::Group(name) => {
                (name, Group::from_name(name).map(|group| group.map(|group| group.gid.as_raw())))
            }
        };
        found.map_err(|errno| OwnerError::Lookup { name: name.clone(), source: errno.into() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// Names that mean nobody, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// Of users.
    pub users: Vec<String>,
    /// Of groups.
    pub groups: Vec<String>,
}

impl Unresolved {
    /// All of them, as in `user odoo`.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        let users = self.users.iter().cloned().map(Name::User);
        users.chain(self.groups.iter().cloned().map(Name::Group))
    }

    /// Whether all names mean somebody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// As in `user odoo, group web`.
impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().map(|name| name.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

/// What the names of users and groups mean on this machine, each looked up once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Owners {
    users: BTreeMap<String, Option<u32>>,
    groups: BTreeMap<String, Option<u32>>,
}

impl Owners {
    /// Remembers what a name means: nothing where nobody has it, or nobody can tell. A name that currently means a
    /// recycled number counts as unknown: the number may be somebody else's tomorrow.
    pub fn learn(&mut self, name: Name, id: Option<u32>) {
        let id = Self::usable(id);
        match name {
            Name::User(name) => self.users.insert(name, id),
            Name::Group(name) => self.groups.insert(name, id),
        };
    }

    /// Resolves `owner` and `group`, names or numbers, for a file of `mode`.
    ///
    /// A name that nobody has leaves its part to root; [`Owners::unresolved`] lists those names.
    ///
    /// # Errors
    /// [`OwnerError::Reserved`].
    pub fn resolve(&self, owner: &str, group: &str, mode: u16) -> Result<Ownership, OwnerError> {
        Ok(restrict(resolve(&self.users, owner)?, resolve(&self.groups, group)?, mode))
    }

    /// A number, if one can be used that the name service tells.
    #[must_use]
    pub fn usable(id: Option<u32>) -> Option<u32> {
        id.filter(|id| !is_reserved(*id))
    }

    /// All names.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Name> {
        let users = self.users.keys().cloned().map(Name::User);
        users.chain(self.groups.keys().cloned().map(Name::Group)).collect()
    }

    /// Whether this name was looked up.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        match name {
            Name::User(name) => self.users.contains_key(name),
            Name::Group(name) => self.groups.contains_key(name),
        }
    }

    /// What a name means; nothing where that is nobody.
    #[must_use]
    pub fn number(&self, name: &Name) -> Option<u32> {
        match name {
            Name::User(name) => self.users.get(name).copied().flatten(),
            Name::Group(name) => self.groups.get(name).copied().flatten(),
        }
    }

    /// What these names mean, and no others.
    #[must_use]
    pub fn only(&self, names: BTreeSet<Name>) -> Self {
        let mut owners = Self::default();
        for name in names {
            let id = self.number(&name);
            owners.learn(name, id);
        }
        owners
    }

    /// Users and groups that were asked for and do not exist.
    #[must_use]
    pub fn unresolved(&self) -> Unresolved {
        let of = |known: &BTreeMap<String, Option<u32>>| {
            known.iter().filter(|(_, id)| id.is_none()).map(|(name, _)| name.clone()).collect()
        };
        Unresolved { users: of(&self.users), groups: of(&self.groups) }
    }
}

/// Leaves to root what has no owner yet. Root is no stand-in for a missing group: its members
/// get nothing. And those whom the missing name will mean one day are judged as others until
/// then, so others may do no more than they could.
fn restrict(owner: Option<u32>, group: Option<u32>, mode: u16) -> Ownership {
    let (owner_bits, group_bits) = (mode >> 6 & 0o7, mode >> 3 & 0o7);
    let mut allowed = 0o777;
    if owner.is_none() {
        allowed &= 0o700 | owner_bits << 3 | owner_bits;
    }
    if group.is_none() {
        allowed &= 0o700 | group_bits;
    }
    Ownership { owner: owner.unwrap_or(0), group: group.unwrap_or(0), mode: mode & allowed }
}

/// A number as it is, a name as it was looked up; nothing for a name that nobody has.
fn resolve(known: &BTreeMap<String, Option<u32>>, name: &str) -> Result<Option<u32>, OwnerError> {
    match number(name) {
        Some(number) if is_reserved(number) => Err(OwnerError::Reserved { number }),
        Some(number) => Ok(Some(number)),
        None => Ok(Owners::usable(known.get(name).copied().flatten())),
    }
}

fn number(name: &str) -> Option<u32> {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit is reserved like the highest number, which means "no user" to the kernel.
    digits.then(|| name.parse().unwrap_or(u32::MAX))
}

fn is_reserved(number: u32) -> bool {
    RECYCLED.contains(&number) || number == u32::MAX
}

#[cfg(test)]
mod tests {
    use super::{Name, Owners, Ownership, restrict};

    const SOME_UID: Option<u32> = Some(7);
    const SOME_GID: Option<u32> = Some(8);

    fn resolved(owner: &str, group: &str, mode: u16) -> (Owners, Ownership) {
        let mut owners = Owners::default();
        for name in Name::of(owner, group) {
            let id = name.look_up().expect("looked up");
            owners.learn(name, id);
        }
        let resolved = owners.resolve(owner, group, mode).expect("resolved");
        (owners, resolved)
    }

    #[test]
    fn takes_names_and_numbers() {
        let (_, resolved) = resolved("root", "8", 0o640);
        assert_eq!(resolved, Ownership { owner: 0, group: 8, mode: 0o640 });
    }

    #[test]
    fn leaves_unknown_names_to_root_and_lists_them() {
        let (owners, resolved) = resolved("nobody-has-this", "nor-this", 0o640);
        assert_eq!(resolved, Ownership { owner: 0, group: 0, mode: 0o600 });
        assert_eq!(owners.unresolved().to_string(), "user nobody-has-this, group nor-this");
    }

    #[test]
    fn a_recycled_number_is_no_answer() {
        let mut owners = Owners::default();
        owners.learn(Name::User("dynamic".to_owned()), Some(61184));
        owners.learn(Name::User("daemon".to_owned()), Some(1));
        assert_eq!(owners.unresolved().users, ["dynamic"]);
    }

    #[test]
    fn refuses_recycled_numbers() {
        let owners = Owners::default();
        for number in ["61184", "65519", "4294967295", "99999999999"] {
            assert!(owners.resolve(number, "0", 0o400).is_err(), "{number}");
            assert!(owners.resolve("0", number, 0o400).is_err(), "{number}");
        }
        for number in ["61183", "65520"] {
            assert!(owners.resolve(number, number, 0o400).is_ok(), "{number}");
        }
    }

    #[test]
    fn a_missing_name_never_widens() {
        for mode in 0..=0o777 {
            let no_group = restrict(SOME_UID, None, mode).mode;
            assert_eq!(no_group & 0o070, 0, "{mode:o}");
            assert_eq!(no_group & 0o007 & !(mode >> 3), 0, "{mode:o}");
            let no_owner = restrict(None, SOME_GID, mode).mode;
            assert_eq!((no_owner | no_owner >> 3) & 0o007 & !(mode >> 6), 0, "{mode:o}");
            assert_eq!(restrict(SOME_UID, SOME_GID, mode).mode, mode);
        }
    }
}
