//! The vault beside this crate, within the program that asks for it. What nobody asks for the linker
//! leaves out.

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../vault/", $path)))),+]
    };
}

macro_rules! identities {
    ($($machine:literal),+ $(,)?) => {
        &[$(($machine, include_str!(concat!("../vault/machines/", $machine, ".key")))),+]
    };
}

/// Public files and ciphertext, as they would be in Git: all that the lock covers, the lock, its
/// signature. No private key is among them.
const FILES: &[(&str, &[u8])] = files![
    ".gitattributes",
    ".gitignore",
    "allowed_signers",
    "certs/local-ca-cert.pem.age",
    "certs/local-ca-key.pem.age",
    "certs/localhost-cert.pem.age",
    "certs/localhost-key.pem.age",
    "certs/vault-ca-cert.pem.age",
    "certs/vault-ca-key.pem.age",
    "passwords/admin.sha512.age",
    "passwords/admin.txt.age",
    "passwords/admin.yesc.age",
    "passwords/odoo-admin.sha512.age",
    "passwords/odoo-admin.txt.age",
    "passwords/odoo-admin.yesc.age",
    "passwords/pgadmin-admin.sha512.age",
    "passwords/pgadmin-admin.txt.age",
    "passwords/pgadmin-admin.yesc.age",
    "passwords/root.sha512.age",
    "passwords/root.txt.age",
    "passwords/root.yesc.age",
    "ssh/id_ed25519.age",
    "ssh/id_ed25519.pub",
    "templates/admin.conf",
    "vault.lock",
    "vault.lock.sig",
    "vault.toml",
];

const IDENTITIES: &[(&str, &str)] = identities!["devm-aarch64", "devm-x86_64"];

/// The vault's files by their paths in it: what a machine is given. Its key is [`identity`].
#[must_use]
pub fn files() -> &'static [(&'static str, &'static [u8])] {
    FILES
}

/// The age identity of a machine of the vault, as its `/etc/age.key` has it.
#[must_use]
pub fn identity(machine: &str) -> Option<&'static str> {
    IDENTITIES.iter().find(|(name, _)| *name == machine).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, str};

    use vault_format::{
        Identities, LOCK_FILE, Lock, POLICY_FILE, Policy, SIGNATURE_FILE, passphrase::Nobody,
        policy::GroupKind,
    };

    use super::*;

    fn text(path: &str) -> &'static str {
        let (_, bytes) = FILES.iter().find(|(file, _)| *file == path).expect("a file");
        str::from_utf8(bytes).expect("text")
    }

    #[test]
    fn the_files_are_what_the_lock_covers_with_the_lock() {
        let lock = Lock::parse(text(LOCK_FILE)).unwrap();
        let covered =
            lock.files.keys().cloned().chain(lock.secrets.keys().map(|name| name.ciphertext_path()));
        let expected: BTreeSet<String> =
            covered.chain([LOCK_FILE, SIGNATURE_FILE].map(str::to_owned)).collect();
        let files: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(files, expected);
        assert_eq!(files.len(), FILES.len(), "a file is there twice");
    }

    #[test]
    fn each_machine_has_the_identity_that_the_policy_names() {
        let policy = Policy::parse(text(POLICY_FILE)).unwrap();
        let machines =
            policy.groups().iter().filter(|(_, group)| matches!(group.kind, GroupKind::Machine(_)));
        let machines: Vec<_> = machines.collect();
        assert_eq!(machines.len(), IDENTITIES.len());
        for (name, group) in machines {
            let identity = identity(name).expect(name).to_owned();
            assert_eq!(Identities::parse(&identity.into(), &Nobody).unwrap().recipients(), group.keys);
        }
        assert_eq!(identity("web-1"), None);
    }
}
