//! Finding the operator's keys: the identities that decrypt, and the key that signs.

use std::{
    env,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    IDENTITY_FILE, Identities, Plaintext, SIGNING_KEY_FILE,
    identity::IdentityError,
    key_file::{KeyFile, KeyFileError},
    signature::LockSigner,
    ssh::{SshError, SshKey},
};

use crate::{cli::Common, home, openssh::OpenSshKey, prompt::Terminal};

/// Names an identity file for every command of a shell.
pub const IDENTITY_VARIABLE: &str = "VAULTGEN_IDENTITY";
/// Names the key to sign with, likewise.
pub const SIGN_KEY_VARIABLE: &str = "VAULTGEN_SIGN_KEY";

/// The identities to decrypt with: those of `--identity`, else of `VAULTGEN_IDENTITY`, else of
/// the vault's own `age.key`. Nothing where there is no such file.
///
/// # Errors
///
/// If a file that was named cannot be read, or any of them is no identity file.
pub fn find_identities(common: &Common) -> Result<Option<Identities>, KeyError> {
    let variable = env::var_os(IDENTITY_VARIABLE).filter(|value| !value.is_empty());
    let named = match (common.identities.as_slice(), variable) {
        ([], None) => {
            let file = common.vault.join(IDENTITY_FILE);
            return KeyFile::read_if_present(&file)?
                .map(|key| parse_identities(&file, &key.text))
                .transpose();
        }
        ([], Some(path)) => vec![PathBuf::from(path)],
        (paths, _) => paths.to_vec(),
    };
    let mut identities = Identities::none();
    for file in &named {
        identities.extend(parse_identities(file, &KeyFile::read(file)?.text)?);
    }
    Ok(Some(identities))
}

/// The identities of an existing vault's operator: as [`find_identities`], else the one in the user's
/// configuration, else the user's SSH key.
///
/// # Errors
///
/// As [`find_identities`], and if there is none.
pub fn identities(common: &Common) -> Result<Identities, KeyError> {
    let found = match find_identities(common)? {
        Some(identities) => Some(identities),
        None => match usual(IDENTITY_FILE)? {
            Some((path, key)) => Some(parse_identities(&path, &key.text)?),
            None => None,
        },
    };
    found.ok_or_else(|| KeyError::NoIdentity(common.vault.join(IDENTITY_FILE)))
}

/// As [`identities`], if something has to be decrypted: nobody is asked for a passphrase in vain.
///
/// # Errors
///
/// As [`find_identities`]. If there is none, what cannot be decrypted names itself later.
pub fn identities_if(needed: bool, common: &Common) -> Result<Identities, KeyError> {
    match needed.then(|| identities(common)) {
        None | Some(Err(KeyError::NoIdentity(_))) => Ok(Identities::none()),
        Some(found) => found,
    }
}

/// The key to sign with: that of `--sign-key`, else of `VAULTGEN_SIGN_KEY`, else the vault's own
/// `signing.key`. A public key stands for one that an SSH agent holds. Nothing where there is no such file.
///
/// # Errors
///
/// If the file that was named cannot be read, or it is no key.
pub fn find_signing_key(common: &Common) -> Result<Option<Box<dyn LockSigner>>, KeyError> {
    let variable = env::var_os(SIGN_KEY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = common.sign_key.as_ref().or(variable.as_ref()) {
        return parse_signing_key(path, &KeyFile::read(path)?).map(Some);
    }
    let own = common.vault.join(SIGNING_KEY_FILE);
    KeyFile::read_if_present(&own)?.map(|file| parse_signing_key(&own, &file)).transpose()
}

/// The key of a signer of an existing vault: as [`find_signing_key`], else the one in the user's
/// configuration, else the user's SSH key.
///
/// # Errors
///
/// As [`find_signing_key`], and if there is none.
pub fn signing_key(common: &Common) -> Result<Box<dyn LockSigner>, KeyError> {
    if let Some(key) = find_signing_key(common)? {
        return Ok(key);
    }
    let none = || KeyError::NoSigningKey(common.vault.join(SIGNING_KEY_FILE));
    let (path, file) = usual(SIGNING_KEY_FILE)?.ok_or_else(none)?;
    parse_signing_key(&path, &file)
}

/// A key file in the user's configuration, else the user's SSH key.
fn usual(file: &str) -> Result<Option<(PathBuf, KeyFile)>, KeyError> {
    let configured = home::configuration().map(|folder| folder.join("odbox").join(file));
    for path in configured.into_iter().chain(home::ssh_key()) {
        if let Some(key) = KeyFile::read_if_present(&path)? {
            return Ok(Some((path, key)));
        }
    }
    Ok(None)
}

fn parse_signing_key(path: &Path, file: &KeyFile) -> Result<Box<dyn LockSigner>, KeyError> {
    if let Some(key) = OpenSshKey::of(path, &file.text) {
        return Ok(Box::new(key));
    }
    let key = SshKey::parse(&file.text, &Terminal { file: path });
    let key = key.map_err(|error| KeyError::SigningKey { path: path.to_owned(), error })?;
    Ok(Box::new(key))
}

/// Parses an identity file; `path` is for messages.
///
/// # Errors
///
/// If it is no identity file.
pub fn parse_identities(path: &Path, text: &Plaintext) -> Result<Identities, KeyError> {
    Identities::parse(text, &Terminal { file: path })
        .map_err(|error| KeyError::Identity { path: path.to_owned(), error })
}

/// Why a key cannot be used. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum KeyError {
    /// A key file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] KeyFileError),
    /// No identity anywhere.
    #[error("there is no identity to decrypt with")]
    #[diagnostic(help("give one with --identity FILE or VAULTGEN_IDENTITY, or restore {}", .0.display()))]
    NoIdentity(PathBuf),
    /// No signing key anywhere.
    #[error("there is no key to sign with")]
    #[diagnostic(help("give one with --sign-key FILE or VAULTGEN_SIGN_KEY, or restore {}", .0.display()))]
    NoSigningKey(PathBuf),
    /// Not an identity file.
    #[error("{path}: {error}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: IdentityError,
    },
    /// Not a private key.
    #[error("{path}: {error}")]
    SigningKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SshError,
    },
}
