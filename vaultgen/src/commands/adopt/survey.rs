//! What lies in an Odoo Box vault, opened with its key. Nothing in it is authentic, so whatever cannot be
//! understood stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    Digest, Identities, Plaintext, SecretName, VaultFiles, VaultFolder, certificate, cipher,
    facts::Facts,
    files::Entry,
    folder::{FolderError, MAX_FILE},
    legacy::{self, LegacySecret},
    name::NameError,
    password,
    policy::Kind,
    progress::Work,
    standard,
};

/// A newly made hash takes this much at most; one that was made to waste time may take for ever.
const MAX_ROUNDS: u32 = 1_000_000;
/// What mkpasswd(1) and libxcrypt use for yescrypt.
const YESCRYPT_COST: &str = "j9T";

/// Everything in the folder that matters.
#[derive(Debug, Default)]
pub struct Survey {
    /// What opens, by the name that it gets.
    pub secrets: BTreeMap<SecretName, LegacySecret>,
    /// Of these the value comes from plaintext, since there is no ciphertext.
    pub from_plaintext: BTreeSet<SecretName>,
    /// Ciphertext that stays as it is.
    pub left: Vec<Left>,
    /// Public keys, and sources of templates.
    pub public: Vec<String>,
    /// Files whose secret gets another name.
    pub renamed: Vec<String>,
    /// The password that each hash is one of.
    sources: BTreeMap<SecretName, SecretName>,
}

/// A ciphertext that is no secret of ours.
#[derive(Debug)]
pub struct Left {
    /// Its path in the vault.
    pub path: String,
    /// Why.
    pub why: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One ciphertext.
enum Found {
    Secret { path: String, name: SecretName, secret: LegacySecret },
    Left(Left),
}

impl Survey {
    /// Reads and opens everything.
    ///
    /// # Errors
    ///
    /// If there is a link or special file, a name that cannot be written down, or a file that cannot be
    /// read.
    pub fn of(folder: &VaultFolder, identities: &Identities) -> miette::Result<Self> {
        let entries = folder.entries()?;
        entries.iter().try_for_each(|entry| check(folder, entry))?;
        let paths: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        let mut survey = Self::default();
        let sealed: Vec<_> = paths.iter().filter_map(|path| Some((*path, legacy::name_of(path)?))).collect();
        let work = Work::on("opening", sealed.len());
        let found = sealed
            .into_par_iter()
            .map(|(path, name)| open(folder, path, name, identities))
            .inspect(|_| work.advances())
            .collect::<Result<Vec<_>, _>>()?;
        drop(work);
        found.into_iter().for_each(|found| survey.put(found, &paths));
        for path in &paths {
            if path.ends_with(".pub") || path.starts_with("templates/") {
                survey.public.push((*path).to_owned());
            }
        }
        survey.take_plaintext(folder, &paths)?;
        survey.check_names()?;
        survey.sources = survey.find_sources();
        Ok(survey)
    }

    /// The password that a hash is one of, if it is.
    #[must_use]
    pub fn source(&self, name: &SecretName) -> Option<SecretName> {
        self.sources.get(name).cloned()
    }

    /// Hashes with a password that they are no hash of, as far as can be told.
    pub fn strange_hashes(&self) -> impl Iterator<Item = &SecretName> {
        let hashes = self.secrets.iter().filter(|(_, secret)| secret.kind == Kind::PasswordHash);
        let strange = hashes.filter(|(name, _)| {
            !self.sources.contains_key(*name) && password_of(name).is_some_and(|of| self.has_password(&of))
        });
        strange.map(|(name, _)| name)
    }

    /// The private keys of certificates that issued another one: whatever they are called, they are an
    /// authority's.
    #[must_use]
    pub fn authority_keys(&self) -> BTreeSet<SecretName> {
        let certificates: Vec<_> = self
            .secrets
            .values()
            .filter_map(|secret| match &secret.facts {
                Some(Facts::Certificate(facts)) => Some(facts),
                _ => None,
            })
            .collect();
        let issuers: BTreeSet<&str> = certificates
            .iter()
            .filter(|facts| facts.issuer != facts.subject)
            .map(|facts| facts.issuer.as_str())
            .collect();
        let keys: BTreeSet<Digest> = certificates
            .iter()
            .filter(|facts| issuers.contains(facts.subject.as_str()))
            .map(|facts| facts.spki_sha256)
            .collect();
        let private = self.secrets.iter().filter(|(_, secret)| secret.kind == Kind::PrivateKey);
        let theirs = private.filter(|(_, secret)| secret.spki().is_some_and(|key| keys.contains(&key)));
        theirs.map(|(name, _)| name.clone()).collect()
    }

    /// Certificates that may sign others though they signed none.
    pub fn stray_authorities(&self) -> impl Iterator<Item = &SecretName> {
        let keys: BTreeSet<Digest> =
            self.authority_keys().iter().filter_map(|name| self.secrets[name].spki()).collect();
        let stray = self.secrets.iter().filter(move |(name, secret)| {
            secret.kind == Kind::Certificate
                && !name.as_str().ends_with("-ca-cert.pem")
                && certificate::may_sign(&secret.plaintext)
                && secret.spki().is_none_or(|key| !keys.contains(&key))
        });
        stray.map(|(name, _)| name)
    }

    fn put(&mut self, found: Found, paths: &BTreeSet<&str>) {
        match found {
            Found::Left(left) => self.left.push(left),
            Found::Secret { path, name, secret } => {
                let standard = legacy::standard_spelling(&name);
                match standard.filter(|standard| !paths.contains(standard.ciphertext_path().as_str())) {
                    Some(standard) => {
                        let secret = LegacySecret::of(&standard, secret.plaintext);
                        self.secrets.insert(standard, secret);
                        self.renamed.push(path);
                    }
                    None => drop(self.secrets.insert(name, secret)),
                }
            }
        }
    }

    /// Odoo Box never encrypted the SSH identity; and `make` may have been interrupted.
    fn take_plaintext(&mut self, folder: &VaultFolder, paths: &BTreeSet<&str>) -> miette::Result<()> {
        for name in standard::names()? {
            let sealed = paths.contains(name.ciphertext_path().as_str());
            if sealed || self.secrets.contains_key(&name) || !paths.contains(name.as_str()) {
                continue;
            }
            let plaintext = Plaintext::from(folder.read(name.as_str(), MAX_FILE)?);
            self.secrets.insert(name.clone(), LegacySecret::of(&name, plaintext));
            self.from_plaintext.insert(name);
        }
        Ok(())
    }

    /// Names that are one path where case does not count, or of which one is the other's folder.
    fn check_names(&self) -> Result<(), SurveyError> {
        let mut seen: BTreeMap<String, &SecretName> = BTreeMap::new();
        for name in self.secrets.keys() {
            let path = name.as_str().to_ascii_lowercase();
            let above = path.match_indices('/').find_map(|(end, _)| seen.get(&path[..end]));
            if let Some(other) = above.or_else(|| seen.get(&path)) {
                return Err(SurveyError::Collision { name: (*other).clone(), other: name.clone() });
            }
            seen.insert(path, name);
        }
        Ok(())
    }

    fn has_password(&self, name: &SecretName) -> bool {
        self.secrets.get(name).is_some_and(|secret| secret.kind == Kind::Password)
    }

    fn find_sources(&self) -> BTreeMap<SecretName, SecretName> {
        let hashes: Vec<_> = self.secrets.iter().collect();
        let source = |(name, hash): (&SecretName, &LegacySecret)| {
            let of = password_of(name).filter(|of| self.has_password(of))?;
            let is_hash = is_quick(hash)
                && password::is_hash_of(&hash.plaintext, &self.secrets[&of].plaintext) == Some(true);
            is_hash.then(|| (name.clone(), of))
        };
        hashes.into_par_iter().filter_map(source).collect()
    }
}

/// `passwords/root.txt` for `passwords/root.yesc`.
fn password_of(hash: &SecretName) -> Option<SecretName> {
    let stem = hash.as_str().strip_suffix(".yesc").or_else(|| hash.as_str().strip_suffix(".sha512"))?;
    format!("{stem}.txt").parse().ok()
}

/// Whether this is a hash that can be computed again in a moment.
fn is_quick(secret: &LegacySecret) -> bool {
    let Some(Facts::PasswordHash(facts)) = &secret.facts else { return false };
    match facts.cost.strip_prefix("rounds=") {
        Some(rounds) => rounds.parse::<u32>().is_ok_and(|rounds| rounds <= MAX_ROUNDS),
        None => facts.cost == YESCRYPT_COST,
    }
}

fn check(folder: &VaultFolder, entry: &Entry) -> miette::Result<()> {
    if !entry.is_plain_file {
        return Err(FolderError::NotPlain(folder.join(&entry.path)).into());
    }
    // Escaped, so that its true name is another. What ends in .age or .pub would have to be named.
    if entry.path.contains('\\') && [".age", ".pub"].iter().any(|end| entry.path.ends_with(end)) {
        return Err(SurveyError::Name(entry.path.clone()).into());
    }
    Ok(())
}

fn open(
    folder: &VaultFolder,
    path: &str,
    name: Result<SecretName, NameError>,
    identities: &Identities,
) -> Result<Found, FolderError> {
    let bytes = folder.read(path, MAX_FILE)?;
    let left = |why: String, bytes| Ok(Found::Left(Left { path: path.to_owned(), why, bytes }));
    let name = match name {
        Ok(name) => name,
        Err(error) => return left(error.to_string(), bytes),
    };
    match cipher::decrypt(&bytes, identities) {
        Ok(plaintext) => {
            let secret = LegacySecret::of(&name, plaintext);
            Ok(Found::Secret { path: path.to_owned(), name, secret })
        }
        Err(error) => left(error.to_string(), bytes),
    }
}

/// Why the folder cannot be adopted as it is.
#[derive(Debug, Error, Diagnostic)]
enum SurveyError {
    #[error("{0}: a file of a vault cannot have such a name")]
    #[diagnostic(help("rename it: ASCII letters, digits and . _ - + @ = , are allowed"))]
    Name(String),
    #[error(
        "the secrets {name} and {other} cannot both be there: they differ in case only, or one lies below the other"
    )]
    #[diagnostic(help("rename the file of one of them"))]
    Collision { name: SecretName, other: SecretName },
}
