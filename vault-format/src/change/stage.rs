//! Encrypting, signing and staging what a [`Change`] says.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{Applied, Change, ChangeError, NewSecret, Prepared};
use crate::{
    Digest, Identities, LOCK_FILE, POLICY_FILE, Plaintext, Policy, Recipient, SIGNATURE_FILE, SecretName,
    VaultFiles, cipher,
    folder::MAX_FILE,
    lock::LockedSecret,
    policy::{Kind, TemplatePolicy},
    progress::Work,
    signature::{self, LockSigner},
    ssh,
    template::{Part, Template},
    transaction::{ExclusiveFolder, Staging},
    verify::{MAX_PUBLIC, Sources, Unsound, disagreements, is_template},
};

const SECOND: Duration = Duration::from_secs(1);

impl Change {
    /// As [`Self::apply`], up to the moment from which the change counts.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn prepare<'a>(
        mut self,
        folder: &'a ExclusiveFolder,
        key: &dyn LockSigner,
        identities: &Identities,
    ) -> Result<Prepared<'a>, ChangeError> {
        if self.signers.find(key.public_key().key_data()).is_none() {
            return Err(ChangeError::NotASigner(ssh::fingerprint(key.public_key())));
        }
        let policy_text = self.policy.text();
        let policy = Policy::parse(&policy_text)?;
        self.put_public_file(POLICY_FILE, policy_text.clone().into_bytes());

        self.check_values(&policy, folder.folder())?;
        self.forget_exposure(&policy);
        let mut staging = folder.stage()?;
        self.stage_new_secrets(&staging, &policy)?;
        let reencrypted = self.stage_reencrypted(&staging, folder.folder(), &policy, identities)?;
        self.stage_adopted(&staging, folder.folder(), &reencrypted)?;
        self.stage_files(&mut staging)?;
        let problems = disagreements(&policy, &self.lock, &self.template_sources(folder.folder())?);
        if !problems.is_empty() {
            return Err(Unsound::from_iter(problems).into());
        }

        self.lock.serial += 1;
        let lock = self.lock.to_text()?.into_bytes();
        let signature = key.sign_lock(&lock)?.into_bytes();
        let signer = signature::verify(&signature, &lock, &self.signers)?.clone();
        staging.write_public(LOCK_FILE, &lock)?;
        staging.write_public(SIGNATURE_FILE, &signature)?;
        let lock_digest = Digest::of(&lock);
        let Self { lock, signers, .. } = self;
        let applied = Applied { lock, lock_digest, signer, signers, policy_text, reencrypted };
        Ok(Prepared { staging, applied })
    }

    /// Writes what is new without lock and signature, for a signer to look at and sign. What only
    /// gets another audience is left to the signer. Until then nothing accepts the vault.
    ///
    /// # Errors
    ///
    /// If the policy is not sound, or anything cannot be encrypted or written; or if there is
    /// nothing that could be seen in the folder.
    pub fn propose(mut self, folder: &ExclusiveFolder) -> Result<(), ChangeError> {
        if !self.rekeyed.is_empty() {
            return Err(ChangeError::NothingToPropose);
        }
        let policy_text = self.policy.text();
        let policy = Policy::parse(&policy_text)?;
        self.put_public_file(POLICY_FILE, policy_text.into_bytes());
        self.check_values(&policy, folder.folder())?;
        let mut staging = folder.stage()?;
        self.stage_new_secrets(&staging, &policy)?;
        self.stage_files(&mut staging)?;
        Ok(staging.commit()?)
    }

    /// Whether anything has to be decrypted, to be encrypted anew: only then [`Self::apply`] needs
    /// identities.
    ///
    /// # Errors
    ///
    /// If the policy is not sound.
    pub fn needs_identities(&self) -> Result<bool, ChangeError> {
        let policy = Policy::parse(&self.policy.text())?;
        let new: BTreeSet<_> = self.secrets.iter().map(|secret| &secret.name).collect();
        let mut old = self.lock.secrets.iter().filter(|(name, _)| !new.contains(name));
        Ok(old.any(|(name, secret)| self.is_concerned(&policy, name, secret)))
    }

    /// Whether a secret gets another audience than before, or is to be encrypted anew anyway.
    fn is_concerned(&self, policy: &Policy, name: &SecretName, secret: &LockedSecret) -> bool {
        policy.secret(name).audience != secret.recipients || self.rekeyed.contains(name)
    }

    /// Refuses a new value that a template cannot show. One that is no template is refused later on.
    fn check_values(&self, policy: &Policy, files: &dyn VaultFiles) -> Result<(), ChangeError> {
        let new: BTreeMap<_, _> =
            self.secrets.iter().map(|secret| (&secret.name, &secret.plaintext)).collect();
        for (template, TemplatePolicy { source, .. }) in policy.templates() {
            let source = source.as_str();
            let text = match self.public_files.get(source) {
                Some(text) => Some(text.clone()),
                None => files.read_if_present(source, MAX_PUBLIC)?,
            };
            let parsed: Option<Template> = text.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
            for part in parsed.iter().flat_map(Template::parts) {
                let Part::Secret { name, filter } = part else { continue };
                let Some(value) = new.get(name) else { continue };
                filter.write(value.expose(), |_| {}).map_err(|error| ChangeError::Template {
                    template: template.clone(),
                    name: name.clone(),
                    error,
                })?;
            }
        }
        Ok(())
    }

    fn stage_new_secrets(&mut self, staging: &Staging<'_>, policy: &Policy) -> Result<(), ChangeError> {
        let known = &self.lock.secrets;
        let work = Work::on("encrypting", self.secrets.len());
        let staged = std::mem::take(&mut self.secrets)
            .into_par_iter()
            .map(|secret| {
                let NewSecret { name, plaintext, origin, facts, .. } = secret;
                let recipients = policy.secret(&name).audience.clone();
                let sha256 = stage_encrypted(staging, &name, &plaintext, &recipients)?;
                let locked = LockedSecret {
                    sha256,
                    exposed_to: exposure(policy.secret(&name).kind, self.known.get(&name), &recipients),
                    recipients,
                    created: known.get(&name).map_or(self.now, |old| old.created),
                    // Always later than the value before: so a merge can tell who changed it.
                    rotated: known.get(&name).map_or(self.now, |old| self.now.max(old.rotated.after(SECOND))),
                    origin,
                    facts,
                };
                Ok((name, locked))
            })
            .inspect(|_| work.advances())
            .collect::<Result<Vec<_>, ChangeError>>()?;
        for (name, _) in &staged {
            // A ciphertext that nobody could open may lie in its place, covered as any other file.
            self.lock.files.remove(&name.ciphertext_path());
        }
        // What is new is encrypted to its audience by now, so it is not encrypted anew below.
        self.lock.secrets.extend(staged);
        Ok(())
    }

    /// Encrypts anew what has another audience than before, and what was asked for. Where the
    /// audience only grew, the header alone is made anew.
    fn stage_reencrypted(
        &mut self,
        staging: &Staging<'_>,
        files: &dyn VaultFiles,
        policy: &Policy,
        identities: &Identities,
    ) -> Result<BTreeSet<SecretName>, ChangeError> {
        let secrets = self.lock.secrets.iter();
        let concerned: Vec<_> =
            secrets.filter(|(name, secret)| self.is_concerned(policy, name, secret)).collect();
        let work = Work::on("encrypting anew", concerned.len());
        let staged = concerned
            .into_par_iter()
            .map(|(name, old)| {
                let recipients = policy.secret(name).audience.clone();
                let files = self.adopted.get(name).map_or(files, |files| &**files);
                let file = ciphertext(files, name, old.sha256)?;
                let file = if self.rekeyed.contains(name) || !old.recipients.is_subset(&recipients) {
                    cipher::decrypt(&file, identities)
                        .and_then(|plaintext| cipher::encrypt(&plaintext, &recipients))
                } else {
                    // Nobody left: those who join may know the key that all others know.
                    cipher::add_recipients(file, recipients.difference(&old.recipients), identities)
                };
                let file = file.map_err(|error| ChangeError::Cipher { name: name.clone(), error })?;
                let sha256 = stage_ciphertext(staging, name, &file)?;
                let known = old.exposed_to.union(&old.recipients).cloned().collect();
                let exposed_to = exposure(policy.secret(name).kind, Some(&known), &recipients);
                Ok((name.clone(), LockedSecret { sha256, recipients, exposed_to, ..old.clone() }))
            })
            .inspect(|_| work.advances())
            .collect::<Result<Vec<_>, ChangeError>>()?;
        let names = staged.iter().map(|(name, _)| name.clone()).collect();
        self.lock.secrets.extend(staged);
        Ok(names)
    }

    /// Leaves of the keys that an adopted secret is said to be known to only those that may not read it.
    fn forget_exposure(&mut self, policy: &Policy) {
        for name in self.adopted.keys() {
            let secret = policy.secret(name);
            let public = secret.kind == Kind::Certificate;
            if let Some(entry) = self.lock.secrets.get_mut(name) {
                entry.exposed_to.retain(|key| !public && !secret.audience.contains(key));
            }
        }
    }

    /// Copies what another state has and the folder has not. Ciphertext that is encrypted anew is
    /// staged already.
    fn stage_adopted(
        &self,
        staging: &Staging<'_>,
        present: &dyn VaultFiles,
        reencrypted: &BTreeSet<SecretName>,
    ) -> Result<(), ChangeError> {
        let work = Work::on("copying", self.adopted.len());
        let adopted = self.adopted.par_iter().inspect(|_| work.advances());
        let adopted = adopted.filter(|(name, _)| !reencrypted.contains(*name));
        adopted.try_for_each(|(name, files)| {
            let path = name.ciphertext_path();
            let sha256 = self.lock.secrets[name].sha256;
            match present.read(&path, MAX_FILE) {
                Ok(bytes) if Digest::of(&bytes) == sha256 => Ok(()),
                _ => Ok(staging.write_public(&path, &ciphertext(&**files, name, sha256)?)?),
            }
        })
    }

    /// The sources of templates, the new ones and those that stay.
    fn template_sources(&self, files: &dyn VaultFiles) -> Result<Sources, ChangeError> {
        let paths = self.lock.files.keys().filter(|path| is_template(path));
        let source = |path: &String| match self.public_files.get(path) {
            Some(new) => Ok((path.clone(), new.clone())),
            None => Ok((path.clone(), files.read(path, MAX_PUBLIC)?)),
        };
        paths.map(source).collect()
    }

    fn stage_files(&mut self, staging: &mut Staging<'_>) -> Result<(), ChangeError> {
        for (path, bytes) in &self.public_files {
            self.lock.files.insert(path.clone(), Digest::of(bytes));
            staging.write_public(path, bytes)?;
        }
        for (path, bytes) in &self.private_files {
            staging.write_private(path, bytes)?;
        }
        for path in &self.removed {
            staging.remove(path.as_str());
        }
        Ok(())
    }
}

/// Of the keys that know a value, those that may not read it.
fn exposure(
    kind: Kind,
    known: Option<&BTreeSet<Recipient>>,
    recipients: &BTreeSet<Recipient>,
) -> BTreeSet<Recipient> {
    match known {
        // Everybody may know a certificate.
        Some(known) if kind != Kind::Certificate => known.difference(recipients).cloned().collect(),
        _ => BTreeSet::new(),
    }
}

fn stage_encrypted(
    staging: &Staging<'_>,
    name: &SecretName,
    plaintext: &Plaintext,
    recipients: &BTreeSet<Recipient>,
) -> Result<Digest, ChangeError> {
    let ciphertext = cipher::encrypt(plaintext, recipients)
        .map_err(|error| ChangeError::Cipher { name: name.clone(), error })?;
    stage_ciphertext(staging, name, &ciphertext)
}

fn stage_ciphertext(
    staging: &Staging<'_>,
    name: &SecretName,
    ciphertext: &[u8],
) -> Result<Digest, ChangeError> {
    staging.write_public(&name.ciphertext_path(), ciphertext)?;
    Ok(Digest::of(ciphertext))
}

/// Reads a ciphertext. Its bytes are held against the lock again: the files may have changed since they
/// were verified.
fn ciphertext(files: &dyn VaultFiles, name: &SecretName, sha256: Digest) -> Result<Vec<u8>, ChangeError> {
    let ciphertext = files.read(&name.ciphertext_path(), MAX_FILE)?;
    if Digest::of(&ciphertext) == sha256 { Ok(ciphertext) } else { Err(ChangeError::Changed(name.clone())) }
}
