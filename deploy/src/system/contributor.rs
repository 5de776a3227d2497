//! How a module contributes.

use super::{
    Artifact, BornKey, By, Enabled, Entry, File, Group, Module, SecretUse, System, Unit, User, claim,
};
use crate::{
    formats::unit::UnitFile,
    problem::Problem,
    value::{AbsolutePath, PackageName, PostgresName, UserName},
};

/// A system, as one module contributes to it.
pub struct Contributor<'a> {
    module: Module,
    system: &'a mut System,
}

impl<'a> Contributor<'a> {
    pub(super) fn new(module: Module, system: &'a mut System) -> Self {
        Self { module, system }
    }

    /// Wants packages of Debian. Several modules may want the same one.
    pub fn packages(&mut self, names: impl IntoIterator<Item = PackageName>) {
        for name in names {
            self.system.packages.entry(name).or_default().insert(self.module);
        }
    }

    /// Wants a package of Debian that we know.
    pub fn package(&mut self, name: &'static str) {
        self.packages([PackageName::known(name)]);
    }

    /// Installs something that is no package of the box's Debian.
    pub fn artifact(&mut self, path: AbsolutePath, artifact: Artifact) {
        let System { artifacts, problems, .. } = &mut *self.system;
        claim("path", artifacts, (path, artifact), self.module, problems);
    }

    /// Adds a group.
    pub fn group(&mut self, name: UserName, group: Group) {
        if let Some((other, by)) =
            self.system.groups.iter().find(|(other, by)| **other != name && by.value.gid == group.gid)
        {
            let message = format!(
                "the number {} is of the group `{other}` of `{}` and of the group `{name}` of `{}`",
                group.gid, by.module, self.module
            );
            self.system.problems.push(Problem::new(message));
        }
        let System { groups, problems, .. } = &mut *self.system;
        claim("group", groups, (name, group), self.module, problems);
    }

    /// Adds a user and the group of the same name.
    pub fn user(&mut self, name: UserName, user: User) {
        self.group(name.clone(), Group { gid: user.uid });
        let System { users, problems, .. } = &mut *self.system;
        claim("user", users, (name, user), self.module, problems);
    }

    /// Adds a file, folder or link.
    pub fn file(&mut self, path: AbsolutePath, file: File) {
        let System { files, problems, .. } = &mut *self.system;
        claim("file", files, (path, Entry::from(file)), self.module, problems);
    }

    /// Adds a unit.
    pub fn unit(&mut self, name: impl Into<String>, file: UnitFile, enabled: Enabled) {
        let System { units, problems, .. } = &mut *self.system;
        claim("unit", units, (name.into(), Unit { file, enabled }), self.module, problems);
    }

    /// Says whether a unit of a package starts with the system.
    pub fn packaged_unit(&mut self, name: impl Into<String>, enabled: Enabled) {
        let System { packaged_units, problems, .. } = &mut *self.system;
        claim("unit", packaged_units, (name.into(), enabled), self.module, problems);
    }

    /// Says that a unit listens on a TCP port.
    pub fn listen(&mut self, port: u16, unit: &str) {
        let System { ports, problems, .. } = &mut *self.system;
        claim("port", ports, (port, unit.to_owned()), self.module, problems);
    }

    /// Lets a TCP port in.
    pub fn open_port(&mut self, port: u16) {
        self.system.open_ports.entry(port).or_default().insert(self.module);
    }

    /// Adds a database and the role that owns it.
    pub fn database(&mut self, name: PostgresName, owner: PostgresName) {
        let System { databases, problems, .. } = &mut *self.system;
        claim("database", databases, (name, owner), self.module, problems);
    }

    /// Says that a unit gets a secret.
    pub fn secret(&mut self, secret: SecretUse) {
        self.system.secrets.push(By { module: self.module, value: secret });
    }

    /// Names a private key that the machine makes for itself and keeps on its disk.
    pub fn born_key(&mut self, path: AbsolutePath, key: BornKey) {
        let System { born_keys, problems, .. } = &mut *self.system;
        claim("key", born_keys, (path, key), self.module, problems);
    }

    /// Notes something that cannot be.
    pub fn problem(&mut self, problem: Problem) {
        self.system.problems.push(problem);
    }
}
