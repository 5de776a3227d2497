//! Who somebody is, for those who ask who may open a file.

use std::collections::BTreeSet;
use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use serde::{Deserialize, Serialize};

use super::OwnerError;

/// What is asked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// Whose name is asked.
    pub owner: u32,
    /// The group whose name is asked.
    pub group: u32,
    /// A user, by name or number, whose groups are asked.
    pub user: Option<String>,
    /// The group that this user has in place of its own, by name or number.
    pub instead: Option<String>,
    /// More groups that this user has, by name or number.
    pub more: Vec<String>,
}

/// What is known.
#[derive(Debug, Serialize, Deserialize)]
pub struct People {
    /// The owner's name, if there is one.
    pub owner: Option<String>,
    /// The group's name, if there is one.
    pub group: Option<String>,
    /// The user, if there is one.
    pub user: Option<Person>,
}

/// A user and its groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its number.
    pub uid: u32,
    /// The numbers of all its groups.
    pub groups: BTreeSet<u32>,
}

impl People {
    /// Asks the name service, which may take for ever.
    ///
    /// # Errors
    /// [`OwnerError::Lookup`].
    pub(super) fn of(asked: &Asked) -> Result<Self, OwnerError> {
        let failed = |name: &dyn ToString| {
            let name = name.to_string();
            move |errno: nix::errno::Errno| OwnerError::Lookup { name, source: errno.into() }
        };
        let owner = User::from_uid(Uid::from_raw(asked.owner)).map_err(failed(&asked.owner))?;
        let group = Group::from_gid(Gid::from_raw(asked.group)).map_err(failed(&asked.group))?;
        let user = match &asked.user {
            Some(name) => Person::of(name, asked).map_err(failed(name))?,
            None => None,
        };
        Ok(Self { owner: owner.map(|user| user.name), group: group.map(|group| group.name), user })
    }
}

impl Person {
    /// A user; a number that has no name is one too.
    fn of(name: &str, asked: &Asked) -> Result<Option<Self>, nix::errno::Errno> {
        let number = name.parse::<u32>().ok();
        let user = match number {
            Some(uid) => User::from_uid(Uid::from_raw(uid))?,
            None => User::from_name(name)?,
        };
        let Some(uid) = user.as_ref().map(|user| user.uid.as_raw()).or(number) else { return Ok(None) };
        let mut groups = BTreeSet::new();
        let own = match &asked.instead {
            Some(group) => number_of_group(group)?,
            None => user.as_ref().map(|user| user.gid.as_raw()),
        };
        groups.extend(own);
        if let Some((name, gid)) = user.and_then(|user| CString::new(user.name).ok()).zip(own) {
            groups.extend(getgrouplist(&name, Gid::from_raw(gid))?.into_iter().map(Gid::as_raw));
        }
        for group in &asked.more {
            groups.extend(number_of_group(group)?);
        }
        Ok(Some(Self { uid, groups }))
    }
}

fn number_of_group(name: &str) -> Result<Option<u32>, nix::errno::Errno> {
    match name.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Ok(Group::from_name(name)?.map(|group| group.gid.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, People};

    #[test]
    fn root_is_known_everywhere() {
        let asked = Asked { user: Some("root".to_owned()), more: vec!["7".to_owned()], ..Asked::default() };
        let people = People::of(&asked).expect("people");
        assert_eq!((people.owner.as_deref(), people.group.as_deref()), (Some("root"), Some("root")));
        let root = people.user.expect("root");
        assert_eq!(root.uid, 0);
        assert!(root.groups.contains(&0) && root.groups.contains(&7));
        let nobody = Asked { user: Some("nobody-has-this".to_owned()), ..Asked::default() };
        assert_eq!(People::of(&nobody).expect("people").user, None);
    }

    #[test]
    fn a_number_without_a_name_is_somebody() {
        let asked =
            Asked { user: Some("54321".to_owned()), instead: Some("8".to_owned()), ..Asked::default() };
        let person = People::of(&asked).expect("people").user.expect("somebody");
        assert_eq!((person.uid, person.groups.into_iter().collect()), (54321, vec![8]));
    }
}
