//! A unit, as the system manager knows it.

use std::collections::HashMap;
use std::ffi::OsStr;

use super::ExplainError;
use crate::monitor::units;
use crate::opens::ControlGroup;

/// What decides whom its processes run as, and where.
const PROPERTIES: [&str; 7] =
    ["ControlGroup", "DynamicUser", "Group", "LoadState", "SupplementaryGroups", "User", "Id"];

/// A unit.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// Its name, whichever it was asked by.
    pub name: String,
    /// The user that it names, also where it is made anew whenever it starts.
    pub named_user: Option<String>,
    /// Whether its user is made anew whenever it starts.
    pub is_dynamic: bool,
    /// The group that it names.
    pub group: Option<String>,
    /// More groups that it names.
    pub groups: Vec<String>,
    /// Where it runs, if it does.
    pub place: Option<ControlGroup>,
}

impl Unit {
    /// The unit of that name.
    ///
    /// # Errors
    /// There is none, or nobody to ask.
    pub(super) fn find(name: &str) -> Result<Self, ExplainError> {
        let answer = units::properties(OsStr::new(name), &PROPERTIES)
            .map_err(|error| ExplainError::NoSystemManager(name.to_owned(), error))?;
        Self::parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| ExplainError::NoUnit(name.to_owned()))
    }

    /// What `systemctl show` prints of it; nothing for one that is not there.
    fn parse(text: &str) -> Option<Self> {
        let properties: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |name| properties.get(name).copied().filter(|value| !value.is_empty());
        let owned = |name| value(name).map(str::to_owned);
        value("LoadState").filter(|state| *state != "not-found")?;
        Some(Self {
            name: owned("Id")?,
            named_user: owned("User"),
            is_dynamic: value("DynamicUser") == Some("yes"),
            group: owned("Group"),
            groups: value("SupplementaryGroups")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            place: value("ControlGroup").and_then(ControlGroup::parse),
        })
    }

    /// The user that its processes run as; nothing for one that is made anew.
    pub(super) fn user(&self) -> Option<String> {
        (!self.is_dynamic).then(|| self.named_user.clone().unwrap_or_else(|| "root".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn runs_as_the_user_that_it_names() {
        let text = "ControlGroup=/system.slice/a.service\nUser=web\nGroup=\nDynamicUser=no\n\
                    SupplementaryGroups=tls mail\nLoadState=loaded\nId=a.service\n";
        let unit = Unit::parse(text).expect("a unit");
        assert_eq!((unit.user().as_deref(), unit.group.as_deref()), (Some("web"), None));
        assert_eq!(unit.groups, ["tls", "mail"]);
        assert_eq!(unit.place.expect("a place").path(), "/system.slice/a.service");
        let unit = Unit::parse("LoadState=loaded\nId=b.service\nControlGroup=\n").expect("a unit");
        assert_eq!((unit.user().as_deref(), unit.place), (Some("root"), None));
        let unit = Unit::parse("LoadState=loaded\nId=c.service\nDynamicUser=yes\nUser=c\n").expect("a unit");
        assert_eq!(unit.user(), None);
        assert!(Unit::parse("LoadState=not-found\nId=d.service\n").is_none());
    }
}
