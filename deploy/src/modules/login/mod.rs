//! `login`: who logs in, how, and from where.
//!
//! Root and one administrator, and nobody else. Over SSH with their keys; in the mode `standard` also with the passwords
//! of the vault, which are nowhere but in RAM (`docs/decisions/0062-hashes-of-passwords-stay-in-ram.md`).

mod name;
mod passwords;
mod ssh;
#[cfg(test)]
mod tests;

use self::name::AdminName;
use super::{Module, Offers, Registration, World, ids};
use crate::{
    choice,
    formats::Unwritable,
    node::Options,
    problem::Problem,
    system::{Contributor, File, Group, ROOT, User},
    value::{AbsolutePath, Email, SshKey, UserName},
};

/// This module.
pub const MODULE: Registration = Registration {
    name: "login",
    summary: "root and an administrator: by their SSH keys, or by the vault's passwords too",
    implies: "",
    read: |options| Box::new(Login::read(options)),
};

choice! {
    /// How people log in.
    Mode {
        /// Over SSH, with keys only.
        Cloud = "cloud",
        /// With passwords, on a terminal and over SSH, and with keys if there are any.
        Standard = "standard",
    }
}

/// The number that Debian's base-passwd has given the group `sudo`.
const SUDO: (&str, u32) = ("sudo", 27);

struct Login {
    mode: Mode,
    admin_username: AdminName,
    admin_email: Option<Email>,
}

/// Somebody who logs in.
struct Person<'a> {
    name: UserName,
    /// The option with the public key.
    key_option: &'static str,
    keys: &'a [SshKey],
    /// What the hash of the password is called, as a credential.
    credential: &'static str,
    has_password: bool,
}

impl Login {
    fn read(options: &mut Options<'_>) -> Self {
        Self {
            mode: options.get("mode", Mode::Cloud),
            admin_username: options.get("admin-username", AdminName::known("admin")),
            admin_email: options.optional("admin-email"),
        }
    }

    fn people<'a>(&self, world: &World<'a>) -> [Person<'a>; 2] {
        let keys =
            |keys: fn(&'a crate::vault::NodeVault) -> &'a [SshKey]| world.vault.map(keys).unwrap_or_default();
        let passwords = self.mode == Mode::Standard;
        [
            Person {
                name: UserName::known(ROOT),
                key_option: "root-ssh-key",
                keys: keys(|vault| &vault.root_keys),
                credential: "root",
                has_password: passwords && world.has_secret("passwords/root.yesc"),
            },
            Person {
                name: self.admin_username.user().clone(),
                key_option: "admin-ssh-key",
                keys: keys(|vault| &vault.admin_keys),
                credential: "admin",
                has_password: passwords && world.has_secret("passwords/admin.yesc"),
            },
        ]
    }

    /// Somebody who could not log in.
    fn locked_out(&self, person: &Person<'_>) -> Option<Problem> {
        let Person { name, key_option, keys, credential, has_password } = person;
        let (message, help) = match self.mode {
            _ if !keys.is_empty() || *has_password => return None,
            Mode::Cloud => (
                format!("`{name}` has no SSH key, which locks them out"),
                format!("write `{key_option} = …` in [vault], the path of a public key"),
            ),
            Mode::Standard => (
                format!(
                    "`{name}` is a user without any credential, neither a password in the vault nor an SSH key"
                ),
                format!("`vaultgen password {credential}`, or write `{key_option} = …` in [vault]"),
            ),
        };
        Some(Problem::new(message).about(MODULE.name, "mode").help(help))
    }

    fn contribute_admin(&self, system: &mut Contributor<'_>) {
        let (sudo, gid) = (UserName::known(SUDO.0), SUDO.1);
        system.group(sudo.clone(), Group { gid });
        let admin = self.admin_username.user();
        let home = AbsolutePath::known("/home").join(admin.as_str());
        let user = User {
            uid: ids::ADMIN,
            description: "Administrator",
            home: home.clone(),
            shell: AbsolutePath::known("/bin/bash"),
            groups: vec![sudo],
        };
        system.user(admin.clone(), user);
        system.file(home, File::folder().owner(admin).mode(0o700));
    }
}

impl Module for Login {
    fn offer(&self, offers: &mut Offers) {
        offers.admin_email = self.admin_email.clone();
        offers.admin_user = Some(self.admin_username.user().clone());
    }

    fn contribute(&self, world: &World<'_>, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
        let people = self.people(world);
        people
            .iter()
            .filter_map(|person| self.locked_out(person))
            .for_each(|problem| system.problem(problem));
        self.contribute_admin(system);
        self.contribute_ssh(&people, system);
        Self::contribute_pam(system);
        match self.mode {
            Mode::Cloud => Ok(()),
            Mode::Standard => Self::contribute_passwords(&people, world, system),
        }
    }
}
