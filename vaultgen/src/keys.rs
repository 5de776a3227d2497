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

use crate::{cli::Common, openssh::OpenSshKey, prompt::Terminal};

/// Names an identity file for every command of a shell.
pub const IDENTITY_VARIABLE: &str = "VAULTGEN_IDENTITY";

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

/// As [`find_identities`], for a command that cannot do without.
///
/// # Errors
///
/// As [`find_identities`], and if there is none.
pub fn identities(common: &Common) -> Result<Identities, KeyError> {
    find_identities(common)?.ok_or_else(|| KeyError::NoIdentity(common.vault.join(IDENTITY_FILE)))
}

/// The key to sign with: that of `--sign-key`, else the vault's own `signing.key`. A public key
/// stands for one that an SSH agent holds. Nothing where there is no such file.
///
/// # Errors
///
/// If the file that was named cannot be read, or it is no key.
pub fn find_signing_key(common: &Common) -> Result<Option<Box<dyn LockSigner>>, KeyError> {
    let own = common.vault.join(SIGNING_KEY_FILE);
    let (path, file) = match &common.sign_key {
        Some(path) => (path, Some(KeyFile::read(path)?)),
        None => (&own, KeyFile::read_if_present(&own)?),
    };
    let Some(file) = file else { return Ok(None) };
    if let Some(key) = OpenSshKey::of(path, &file.text) {
        return Ok(Some(Box::new(key)));
    }
    let key = SshKey::parse(&file.text, &Terminal { file: path });
    let key = key.map_err(|error| KeyError::SigningKey { path: path.clone(), error })?;
    Ok(Some(Box::new(key)))
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
    #[diagnostic(help("give one with --sign-key FILE, or restore {}", .0.display()))]
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
