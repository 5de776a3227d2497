//! The machines that a vault has from the beginning: their keys, and what their profile gives them.

use std::collections::BTreeMap;

use vault_format::{
    Change, Identities, SecretName, Timestamp, Verified,
    name::NameError,
    policy::Kind,
    profile::Profile,
    standard::{self, LOCAL_CA},
};

use super::{Missing, OPERATORS};

/// What the new machines get.
pub struct Machines<'a> {
    names: &'a [&'static str],
    granted: Vec<SecretName>,
    template: SecretName,
    present: Option<&'a Verified>,
}

impl<'a> Machines<'a> {
    /// Those that are missing, and what they get of the secrets that the vault has and of `new` ones.
    ///
    /// # Errors
    ///
    /// None in practice: standard names are names.
    pub fn of(
        missing: &'a Missing,
        new: impl Iterator<Item = (SecretName, Kind)>,
        present: Option<&'a Verified>,
    ) -> Result<Self, NameError> {
        let local_ca = standard::certificate_names(LOCAL_CA)?;
        let kept = present.into_iter().flat_map(|vault| {
            vault.lock().secrets.keys().map(|name| (name.clone(), vault.policy().secret(name).kind))
        });
        let secrets: BTreeMap<_, _> = kept.chain(new).collect();
        let gets = |name: &SecretName, kind| Profile::OdooBox.includes(name, kind) || local_ca.contains(name);
        let granted = secrets.into_iter().filter(|(name, kind)| gets(name, *kind)).map(|(name, _)| name);
        Ok(Self {
            names: &missing.machines,
            granted: granted.collect(),
            template: standard::odoo_configuration()?.path,
            present,
        })
    }

    /// Puts them in, after the secrets and the template.
    pub fn put_into(&self, change: &mut Change, now: Timestamp) {
        for &machine in self.names {
            let identity = Identities::generate();
            let Some(key) = identity.recipients().pop_first() else { continue };
            change.policy().add_machine(machine, &key, Profile::OdooBox.name());
            change.put_private_file(&format!("machines/{machine}.key"), identity.to_file(now));
            for name in &self.granted {
                change.policy().add_to_audience(name, &self.groups(name), machine);
            }
            change.policy().add_to_template(&self.template, &self.groups(&self.template), machine);
        }
    }

    /// The audience so far; that of the defaults for what has no table yet.
    fn groups(&self, name: &SecretName) -> Vec<String> {
        let Some(policy) = self.present.map(Verified::policy) else { return vec![OPERATORS.to_owned()] };
        let template = policy.templates().get(name).map(|template| &template.groups);
        template.unwrap_or(&policy.secret(name).groups).clone()
    }
}
