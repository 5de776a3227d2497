//! What a vault lacks of the standard secrets.

use vault_format::{
    Lock, Policy, SecretName,
    name::NameError,
    password::HashScheme,
    policy::Kind,
    standard::{self, CA, LOCAL_CA, LOCALHOST, PASSWORDS, SSH_IDENTITY},
};

use super::Flavour;

/// What the vault lacks of the standard secrets.
#[derive(Debug, Default)]
pub struct Missing {
    pub passwords: Vec<&'static str>,
    /// Hashes of passwords that are there.
    pub hashes: Vec<(&'static str, HashScheme)>,
    pub ca: bool,
    pub localhost: bool,
    pub ssh: bool,
    pub local_ca: bool,
    /// The template of Odoo's configuration file.
    pub template: bool,
    pub machines: Vec<&'static str>,
}

impl Missing {
    /// What a vault that is yet to be made lacks.
    pub fn all(flavour: Flavour) -> Self {
        Self { template: true, ..Self::from(flavour, |_| false, |_| false) }
    }

    /// What is missing of a vault with this policy and lock, of whose secrets `has` knows those that are
    /// there.
    ///
    /// # Errors
    ///
    /// None in practice: standard names are names.
    pub fn of(
        flavour: Flavour,
        policy: &Policy,
        lock: &Lock,
        has: impl Fn(&SecretName) -> bool,
    ) -> Result<Self, NameError> {
        let is_password = |name: &SecretName| policy.secret(name).kind == Kind::Password;
        let mut missing = Self::from(flavour, has, is_password);
        missing.template = !standard::odoo_configuration()?.is_in(policy, lock);
        missing.machines.retain(|machine| !policy.groups().contains_key(*machine));
        Ok(missing)
    }

    /// What is missing where the secrets are there that `has` knows, and of these the passwords are the
    /// ones that `is_password` knows: only of a password can a hash be made.
    fn from(
        flavour: Flavour,
        has: impl Fn(&SecretName) -> bool,
        is_password: impl Fn(&SecretName) -> bool,
    ) -> Self {
        let name = |text: String| text.parse::<SecretName>().ok();
        let lacks = |text: String| name(text).is_none_or(|name| !has(&name));
        let lacks_pair =
            |name| lacks(format!("certs/{name}-cert.pem")) || lacks(format!("certs/{name}-key.pem"));
        let text = |password: &str| format!("passwords/{password}.txt");
        let (passwords, present): (Vec<_>, Vec<_>) =
            PASSWORDS.into_iter().partition(|password| lacks(text(password)));
        let lacks_hash = |password: &str, scheme: HashScheme| {
            name(text(password)).is_some_and(|name| is_password(&name))
                && lacks(format!("passwords/{password}.{}", scheme.suffix()))
        };
        let schemes = [HashScheme::Sha512, HashScheme::Yescrypt];
        let hashes = present.into_iter().flat_map(|password| schemes.map(|scheme| (password, scheme)));
        Self {
            passwords,
            hashes: hashes.filter(|(password, scheme)| lacks_hash(password, *scheme)).collect(),
            ca: lacks_pair(CA),
            localhost: lacks_pair(LOCALHOST),
            ssh: lacks(SSH_IDENTITY.to_owned()),
            local_ca: flavour.local_ca_subject().is_some() && lacks_pair(LOCAL_CA),
            template: false,
            machines: flavour.machines().to_vec(),
        }
    }

    /// Whether all is there.
    pub fn is_nothing(&self) -> bool {
        let nothing = self.passwords.is_empty() && self.hashes.is_empty() && self.machines.is_empty();
        nothing && ![self.ca, self.localhost, self.ssh, self.local_ca, self.template].contains(&true)
    }
}
