//! Users, groups and capabilities.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use super::ConfineError;

/// A number that neither systemd nor a distribution gives to anybody (systemd's "Users, Groups,
/// UIDs and GIDs on systemd Systems": 60706-61183 are unused), for machines without the user.
const UNUSED: u32 = 61_042;

/// Another such number: the decryptor's alone, so that no other process may change what it made.
const DECRYPTOR: u32 = UNUSED + 1;

/// A user and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: Uid,
    /// Its only group.
    pub group: Gid,
}

impl Account {
    /// The account `name` of this machine, else numbers that nobody has.
    ///
    /// Reads `/etc/passwd` alone: system users are there, and asking NSS may need a secret.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn of_service(name: &str) -> io::Result<Self> {
        match fs::read_to_string("/etc/passwd") {
            Ok(users) => Ok(Self::find(&users, name).unwrap_or(Self::unused())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::unused()),
            Err(error) => Err(error),
        }
    }

    /// The account in lines of passwd(5). Root is never meant.
    fn find(users: &str, name: &str) -> Option<Self> {
        let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = fields.find(|fields| fields.first() == Some(&name) && fields.len() >= 4)?;
        let (user, group): (u32, u32) = (found[2].parse().ok()?, found[3].parse().ok()?);
        let account = Self { user: Uid::from_raw(user), group: Gid::from_raw(group) };
        (user != 0 && group != 0 && user != u32::MAX && group != u32::MAX).then_some(account)
    }

    fn unused() -> Self {
        Self::of_number(UNUSED)
    }

    /// Who the decryptor is, on every machine.
    #[must_use]
    pub fn of_decryptor() -> Self {
        Self::of_number(DECRYPTOR)
    }

    fn of_number(number: u32) -> Self {
        Self { user: Uid::from_raw(number), group: Gid::from_raw(number) }
    }
}

/// Becomes `account` without any privilege but those of `kept` that it has, and without a way to gain one.
pub(super) fn give_up(account: Account, kept: CapabilitySet) -> Result<(), ConfineError> {
    let capabilities = |errno: Errno| ConfineError::Capabilities(errno.into());
    // A service's unit may grant less; what then cannot be done says so when it is tried.
    let kept = kept & thread::capabilities(None).map_err(capabilities)?.permitted;
    empty_bounding_set(kept).map_err(capabilities)?;
    thread::set_keep_capabilities(true).map_err(capabilities)?;
    change_user(account)
        .map_err(|errno| ConfineError::Credentials { user: account.user.as_raw(), source: errno.into() })?;
    thread::set_keep_capabilities(false).map_err(capabilities)?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    thread::set_capabilities(None, sets).map_err(capabilities)?;
    thread::set_no_new_privs(true).map_err(capabilities)
}

/// Also the ambient set (capabilities(7)).
fn empty_bounding_set(kept: CapabilitySet) -> Result<(), Errno> {
    for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        if kept.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            // Behind the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            outcome => outcome?,
        }
    }
    thread::clear_ambient_capability_set()
}

fn change_user(Account { user, group }: Account) -> Result<(), Errno> {
    thread::set_thread_groups(&[])?;
    thread::set_thread_res_gid(group, group, group)?;
    thread::set_thread_res_uid(user, user, user)
}

#[cfg(test)]
mod tests {
    use super::{Account, Gid, Uid};

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nvaultd:x:998:997::/:/usr/sbin/nologin\nodd:x:1\n";

    #[test]
    fn is_the_service_user_of_the_machine() {
        let expected = Account { user: Uid::from_raw(998), group: Gid::from_raw(997) };
        assert_eq!(Account::find(USERS, "vaultd"), Some(expected));
    }

    #[test]
    fn is_never_root_or_half_an_account() {
        for name in ["root", "odd", "vault", ""] {
            assert_eq!(Account::find(USERS, name), None, "{name}");
        }
        assert_eq!(Account::find("vaultd:x:998:0::/:\n", "vaultd"), None);
    }
}
