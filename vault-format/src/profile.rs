//! Profiles: which secrets a machine gets when it is added. What its services need, and nothing
//! else.

use serde::{Deserialize, Serialize};

use crate::{SecretName, policy::Kind};

/// The passwords that web applications need in plain text on the machine.
const APPLICATION_PASSWORDS: [&str; 2] = ["passwords/odoo-admin.txt", "passwords/pgadmin-admin.txt"];
/// The logins of the operating system, of which a machine gets the hashes.
const LOGIN_HASHES: [&str; 2] = ["passwords/root.", "passwords/admin."];
/// How the names of the private keys of certificate authorities end: they stay with people.
const AUTHORITY_KEY: &str = "-ca-key.pem";

/// Which secrets a machine gets by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// An Odoo machine: login hashes, the passwords of Odoo's and PgAdmin's web logins,
    /// certificates, the keys of those that are no authority, and the templates that show these.
    OdooBox,
    /// Nothing: what it gets is granted by hand.
    None,
}

impl Profile {
    /// The name in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OdooBox => "odoo-box",
            Self::None => "none",
        }
    }

    /// Whether a machine of this profile gets the secret.
    #[must_use]
    pub fn includes(self, name: &SecretName, kind: Kind) -> bool {
        let name = name.as_str();
        match (self, kind) {
            (Self::None, _) | (_, Kind::SshKey | Kind::Opaque) => false,
            (Self::OdooBox, Kind::Certificate) => true,
            (Self::OdooBox, Kind::PrivateKey) => !name.ends_with(AUTHORITY_KEY),
            (Self::OdooBox, Kind::Password) => APPLICATION_PASSWORDS.contains(&name),
            (Self::OdooBox, Kind::PasswordHash) => LOGIN_HASHES.iter().any(|login| name.starts_with(login)),
        }
    }

    /// Whether a machine of this profile gets the templates that show only what it gets.
    #[must_use]
    pub fn has_templates(self) -> bool {
        self == Self::OdooBox
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odoo_machine_gets_what_its_services_need_and_nothing_else() {
        let gets = |name: &str, kind| Profile::OdooBox.includes(&name.parse().unwrap(), kind);
        assert!(gets("passwords/root.yesc", Kind::PasswordHash));
        assert!(gets("passwords/odoo-admin.txt", Kind::Password));
        assert!(gets("certs/localhost-key.pem", Kind::PrivateKey));
        assert!(gets("certs/vault-ca-cert.pem", Kind::Certificate));
        assert!(!gets("passwords/root.txt", Kind::Password));
        assert!(!gets("passwords/odoo-admin.yesc", Kind::PasswordHash));
        assert!(!gets("certs/vault-ca-key.pem", Kind::PrivateKey));
        assert!(!gets("ssh/id_ed25519", Kind::SshKey));
        assert!(!Profile::None.includes(&"certs/a-cert.pem".parse().unwrap(), Kind::Certificate));
    }
}
