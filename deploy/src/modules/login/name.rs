//! The administrator's name.

use std::borrow::Cow;

use toml::{Spanned, de::DeValue};

use crate::value::{OptionValue, UserName, Wrong};

/// The users and groups that every Debian has (base-passwd, systemd, OpenSSH): each is somebody already.
const TAKEN: [&str; 53] = [
    "adm",
    "audio",
    "backup",
    "bin",
    "cdrom",
    "crontab",
    "daemon",
    "dialout",
    "dip",
    "disk",
    "fax",
    "floppy",
    "games",
    "input",
    "irc",
    "kmem",
    "kvm",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "netdev",
    "news",
    "nobody",
    "nogroup",
    "operator",
    "plugdev",
    "polkitd",
    "proxy",
    "render",
    "root",
    "sasl",
    "sgx",
    "shadow",
    "src",
    "sshd",
    "staff",
    "sudo",
    "sync",
    "sys",
    "systemd-journal",
    "systemd-network",
    "systemd-resolve",
    "systemd-timesync",
    "tape",
    "tty",
    "users",
    "utmp",
    "uucp",
    "video",
    "voice",
    "www-data",
];

/// A user's name that is nobody's yet.
pub(super) struct AdminName(UserName);

impl AdminName {
    pub(super) fn known(name: &'static str) -> Self {
        Self(UserName::known(name))
    }

    pub(super) fn user(&self) -> &UserName {
        &self.0
    }
}

impl OptionValue for AdminName {
    fn expected() -> Cow<'static, str> {
        format!("{}; nobody that every Debian has", UserName::expected()).into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        match UserName::read(value)? {
            name if TAKEN.contains(&name.as_str()) => {
                Err(Wrong::value::<Self>(format!("`{name}` is a user or group of every Debian")))
            }
            name => Ok(Self(name)),
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}
