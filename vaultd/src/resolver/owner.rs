//! Owners and groups as the policy names them, turned into numbers through NSS.

use std::collections::BTreeMap;
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

/// What the names of users and groups mean on this machine, each looked up once.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Owners {
    users: BTreeMap<String, Option<u32>>,
    groups: BTreeMap<String, Option<u32>>,
}

impl Owners {
    /// Remembers what a name means: nothing where nobody has it, or nobody can tell. A name that currently means a
    /// recycled number counts as unknown: the number may be somebody else's tomorrow.
    pub fn learn(&mut self, name: Name, id: Option<u32>) {
        let id = id.filter(|id| !is_reserved(*id));
        match name {
            Name::User(name) => self.users.insert(name, id),
            Name::Group(name) => self.groups.insert(name, id),
        };
    }

    /// Resolves `owner` and `group`, names or numbers, for a file of `mode`.
    ///
    /// A name that nobody has leaves its part to root; [`Owners::unknown`] lists those names.
    ///
    /// # Errors
    /// [`OwnerError::Reserved`].
    pub fn resolve(&self, owner: &str, group: &str, mode: u16) -> Result<Ownership, OwnerError> {
        Ok(restrict(resolve(&self.users, owner)?, resolve(&self.groups, group)?, mode))
    }

    /// Users and groups that were asked for and do not exist, sorted.
    #[must_use]
    pub fn unknown(&self) -> Vec<&str> {
        let all = self.users.iter().chain(&self.groups);
        let mut names: Vec<&str> =
            all.filter(|(_, id)| id.is_none()).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
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
        None => Ok(known.get(name).copied().flatten()),
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
        assert_eq!(owners.unknown(), ["nobody-has-this", "nor-this"]);
    }

    #[test]
    fn a_recycled_number_is_no_answer() {
        let mut owners = Owners::default();
        owners.learn(Name::User("dynamic".to_owned()), Some(61184));
        owners.learn(Name::User("daemon".to_owned()), Some(1));
        assert_eq!(owners.unknown(), ["dynamic"]);
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
