//! What is known of a vault from the last time that it was verified: what was not changed since need not be read again.

use std::collections::HashMap;

use vault_format::lock::LockedSecret;
use vault_format::stamp::Stamp;
use vault_format::{SecretName, VaultFiles, Verified};

use super::{Plan, PlannedFile};

/// The files of the state that is served now, by their names.
#[derive(Debug, Default)]
pub struct Known<'a> {
    plan: Option<&'a Plan>,
    files: HashMap<&'a SecretName, &'a PlannedFile>,
}

impl<'a> Known<'a> {
    /// What the plan of that state says; nothing without one.
    #[must_use]
    pub fn of(plan: Option<&'a Plan>) -> Self {
        let files = plan.into_iter().flat_map(|plan| &plan.files).map(|file| (&file.path, file));
        Self { plan, files: files.collect() }
    }

    /// Whether nothing is known, so that everything is read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.plan.is_none()
    }

    /// The state that a file was in when it was read.
    #[must_use]
    pub fn stamp(&self, name: &SecretName) -> Option<Stamp> {
        self.files.get(name)?.stamp
    }

    /// Whether a ciphertext is still the file that was verified against the same digest and the same readers. If the
    /// kernel told us wrong, what is served is what was verified then all the same: nothing is read that was not.
    #[must_use]
    pub fn has(&self, files: &dyn VaultFiles, name: &SecretName, secret: &LockedSecret) -> bool {
        let Some((plan, file)) = self.plan.zip(self.files.get(name)) else { return false };
        file.digest == secret.sha256
            && plan.audience(file) == Some(&secret.recipients)
            && file.stamp.is_some()
            && files.stamp(&name.ciphertext_path()) == file.stamp
    }

    /// The paths of files that a later state does not have any more.
    #[must_use]
    pub fn removed(&self, vault: &Verified) -> Vec<String> {
        let lock = vault.lock();
        // Views too: no file has their names.
        let secrets = self.plan.into_iter().flat_map(|plan| &plan.files);
        let secrets = secrets.filter(|file| !lock.secrets.contains_key(&file.path));
        let public = self.plan.into_iter().flat_map(|plan| &plan.public);
        let public = public.filter(|path| !lock.files.contains_key(*path)).cloned();
        secrets.map(|file| file.path.ciphertext_path()).chain(public).collect()
    }
}
