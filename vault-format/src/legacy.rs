//! Odoo Box vaults, which our users come from: a folder of age files for one key that the operator and
//! the machine share, with no policy, no lock and no signature, and plaintext beside the ciphertext.

use rustix::fs::{AtFlags, statat};

use crate::{
    CIPHERTEXT_SUFFIX, Digest, IDENTITY_FILE, LOCK_FILE, POLICY_FILE, Plaintext, SIGNATURE_FILE, SecretName,
    VaultFolder,
    facts::Facts,
    files::Entry,
    name::NameError,
    policy::{Kind, SecretTable},
    standard::{self, PASSWORDS},
};

/// The folders of an Odoo Box vault.
pub const FOLDERS: [&str; 3] = ["certs/", "passwords/", "ssh/"];
/// What makes a folder one of ours, or what is left of one.
const SIGNED: [&str; 3] = [POLICY_FILE, LOCK_FILE, SIGNATURE_FILE];

/// Whether the folder is an Odoo Box vault, whole or in part.
#[must_use]
pub fn is_legacy(folder: &VaultFolder) -> bool {
    let marks = FOLDERS.map(|name| name.trim_end_matches('/'));
    signed_file(folder).is_none()
        && (has(folder, IDENTITY_FILE) || marks.iter().any(|name| has(folder, name)))
}

/// A file that only a signed vault has, if there is one.
#[must_use]
pub fn signed_file(folder: &VaultFolder) -> Option<&'static str> {
    SIGNED.into_iter().find(|name| has(folder, name))
}

/// An entry that only a signed vault has, if there is one.
#[must_use]
pub fn signed_entry(entries: &[Entry]) -> Option<&'static str> {
    let is = |entry: &Entry, name: &str| {
        entry.path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    SIGNED.into_iter().find(|name| entries.iter().any(|entry| is(entry, name)))
}

/// Also where it is a link, or may not be read.
fn has(folder: &VaultFolder, name: &str) -> bool {
    statat(folder.root(), name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// The name of the secret in a file, if it ends in `.age`.
#[must_use]
pub fn name_of(path: &str) -> Option<Result<SecretName, NameError>> {
    path.strip_suffix(CIPHERTEXT_SUFFIX).map(str::parse)
}

/// The name that a password has with us, whose file Odoo Box once called `passwords/NAME.age`.
#[must_use]
pub fn standard_spelling(name: &SecretName) -> Option<SecretName> {
    let password = name.as_str().strip_prefix("passwords/")?;
    PASSWORDS.contains(&password).then(|| standard::password_name(password).ok()).flatten()
}

/// Whose service reads the secret.
#[must_use]
pub fn owner(name: &SecretName) -> &'static str {
    match name.as_str().split_once('/') {
        Some(("certs", _)) => "nginx",
        Some(("passwords", file)) => {
            standard::password_owner(file.split('.').next().unwrap_or_default()).unwrap_or("root")
        }
        _ => "root",
    }
}

/// What a secret should be by its name; nothing for a name that says nothing.
fn kind_by_name(name: &SecretName) -> Option<Kind> {
    let (folder, file) = name.as_str().split_once('/')?;
    let ends = |suffix: &str| file.len() > suffix.len() && file.ends_with(suffix);
    match folder {
        "passwords" if ends(".txt") => Some(Kind::Password),
        "passwords" if ends(".sha512") || ends(".yesc") => Some(Kind::PasswordHash),
        "certs" if ends("-cert.pem") => Some(Kind::Certificate),
        "certs" if ends("-key.pem") => Some(Kind::PrivateKey),
        "ssh" if file.starts_with("id_") && !file.contains('.') => Some(Kind::SshKey),
        _ => None,
    }
}

/// A secret of an Odoo Box vault, as it is to be taken over.
#[derive(Debug)]
pub struct LegacySecret {
    /// What it is, by what is in it.
    pub kind: Kind,
    /// What it should be, by its name: it differs where the content does not fit.
    pub meant: Kind,
    /// Its value, with no newline behind a password or hash.
    pub plaintext: Plaintext,
    /// Whether there was one.
    pub had_newline: bool,
    /// What an auditor may know of it.
    pub facts: Option<Facts>,
}

impl LegacySecret {
    /// Looks at a plaintext. What does not fit its name is kept as it is, as opaque.
    #[must_use]
    pub fn of(name: &SecretName, plaintext: Plaintext) -> Self {
        // People bring certificates under names of their own.
        let in_certs = name.as_str().starts_with("certs/");
        let meant = kind_by_name(name);
        let guesses: &[Kind] = match meant {
            Some(_) => &[],
            None if in_certs => &[Kind::Certificate, Kind::PrivateKey],
            None => &[],
        };
        for kind in meant.iter().chain(guesses) {
            let value = without_newline(*kind, &plaintext);
            if let Some(facts) = facts(*kind, &value) {
                let had_newline = value != plaintext;
                return Self { kind: *kind, meant: *kind, plaintext: value, had_newline, facts };
            }
        }
        let meant = meant.unwrap_or_default();
        Self { kind: Kind::Opaque, meant, plaintext, had_newline: false, facts: None }
    }

    /// What the policy says of it.
    #[must_use]
    pub fn table(&self, name: &SecretName, from: Option<SecretName>) -> SecretTable {
        let password = name.as_str().strip_prefix("passwords/").and_then(|file| file.strip_suffix(".txt"));
        let description = match password.filter(|password| PASSWORDS.contains(password)) {
            Some(password) => standard::password_description(password),
            None => String::new(),
        };
        let owner = Some(owner(name)).filter(|owner| *owner != "root").map(str::to_owned);
        let world_readable = self.kind == Kind::Certificate;
        SecretTable { kind: self.kind, description, from, owner, world_readable, ..SecretTable::default() }
    }

    /// SHA-256 of its public key, if it has one.
    #[must_use]
    pub fn spki(&self) -> Option<Digest> {
        match &self.facts {
            Some(Facts::Certificate(facts)) => Some(facts.spki_sha256),
            Some(Facts::PrivateKey { spki_sha256 }) => Some(*spki_sha256),
            _ => None,
        }
    }
}

/// Whether a plaintext file holds the value of a secret. The newline that Odoo Box left does not count.
#[must_use]
pub fn is_value(kind: Kind, file: &Plaintext, value: &Plaintext) -> bool {
    file == value || without_newline(kind, file) == *value
}

/// `chpasswd -e` and login take a value either way, but not everything that reads a file does.
fn without_newline(kind: Kind, plaintext: &Plaintext) -> Plaintext {
    if !matches!(kind, Kind::Password | Kind::PasswordHash) {
        return plaintext.clone();
    }
    let bytes = plaintext.expose();
    let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let mut value = Plaintext::zeroed(end);
    value.expose_mut().copy_from_slice(&bytes[..end]);
    value
}

/// The facts of a value; nothing where it is not of that kind.
fn facts(kind: Kind, value: &Plaintext) -> Option<Option<Facts>> {
    if kind == Kind::Password {
        let text = value.expose_str()?;
        return (!text.is_empty() && !text.contains(char::is_control)).then_some(None);
    }
    Facts::of(kind, value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    #[test]
    fn owners_are_those_of_odoo_box() {
        for (secret, expected) in [
            ("passwords/root.yesc", "root"),
            ("passwords/admin.txt", "root"),
            ("passwords/odoo-admin.txt", "odoo"),
            ("passwords/odoo-admin", "odoo"),
            ("passwords/odoo-admin-2.txt", "root"),
            ("passwords/pgadmin-admin.sha512", "pgadmin"),
            ("certs/fullchain.pem", "nginx"),
            ("odoo-admin.txt", "root"),
            ("ssh/id_ed25519", "root"),
        ] {
            assert_eq!(owner(&name(secret)), expected, "{secret}");
        }
    }

    #[test]
    fn the_spelling_of_old_is_known_for_the_four_passwords_only() {
        assert_eq!(standard_spelling(&name("passwords/odoo-admin")), Some(name("passwords/odoo-admin.txt")));
        for other in ["passwords/odoo-admin.txt", "passwords/other", "odoo-admin", "certs/root"] {
            assert_eq!(standard_spelling(&name(other)), None, "{other}");
        }
    }

    #[test]
    fn newlines_go_where_they_do_not_belong_and_stay_elsewhere() {
        let look = |secret: &str, text: &str| LegacySecret::of(&name(secret), text.to_owned().into());
        let password = look("passwords/root.txt", "correct horse\r\n");
        assert_eq!((password.kind, password.plaintext.expose()), (Kind::Password, &b"correct horse"[..]));
        assert!(password.had_newline);
        let token = look("passwords/token", "abc\n");
        assert_eq!((token.kind, token.plaintext.expose()), (Kind::Opaque, &b"abc\n"[..]));
    }

    #[test]
    fn what_does_not_fit_its_name_is_opaque_and_unchanged() {
        for (secret, text) in [
            ("passwords/root.txt", "\n"),
            ("passwords/root.txt", "two\nlines\n"),
            ("passwords/root.yesc", "$1$abc$md5\n"),
            ("certs/localhost-cert.pem", "none\n"),
            ("certs/localhost-key.pem", ""),
            ("ssh/id_rsa", "none"),
        ] {
            let secret_name = name(secret);
            let looked = LegacySecret::of(&secret_name, text.to_owned().into());
            assert_eq!((looked.kind, looked.plaintext.expose()), (Kind::Opaque, text.as_bytes()), "{secret}");
            assert_eq!(Some(looked.meant), kind_by_name(&secret_name));
        }
    }
}
