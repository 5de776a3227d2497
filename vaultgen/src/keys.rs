//! Finding the operator's keys: the identities that decrypt, and the key that signs.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    IDENTITY_FILE, Identities, Plaintext, SIGNING_KEY_FILE,
    identity::{IdentityError, MAX_IDENTITY_FILE},
    ssh::{SshError, SshKey},
};

use crate::cli::Common;

/// Names an identity file for every command of a shell.
const IDENTITY_VARIABLE: &str = "VAULTGEN_IDENTITY";

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
            return read_if_present(&file)?.map(|text| parse_identities(&file, &text)).transpose();
        }
        ([], Some(path)) => vec![PathBuf::from(path)],
        (paths, _) => paths.to_vec(),
    };
    let mut identities = Identities::none();
    for file in &named {
        let text = read_if_present(file)?.ok_or_else(|| KeyError::Missing(file.clone()))?;
        identities.extend(parse_identities(file, &text)?);
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

/// The key to sign with: that of `--sign-key`, else the vault's own `signing.key`. Nothing where
/// there is no such file.
///
/// # Errors
///
/// If the file that was named cannot be read, or it is no private key.
pub fn find_signing_key(common: &Common) -> Result<Option<SshKey>, KeyError> {
    let own = common.vault.join(SIGNING_KEY_FILE);
    let file = common.sign_key.as_ref().unwrap_or(&own);
    match (read_if_present(file)?, &common.sign_key) {
        (Some(text), _) => {
            let key =
                SshKey::parse(&text).map_err(|error| KeyError::SigningKey { path: file.clone(), error });
            key.map(Some)
        }
        (None, Some(_)) => Err(KeyError::Missing(file.clone())),
        (None, None) => Ok(None),
    }
}

fn parse_identities(path: &Path, text: &Plaintext) -> Result<Identities, KeyError> {
    Identities::parse(text).map_err(|error| KeyError::Identity { path: path.to_owned(), error })
}

/// Reads a key file into a buffer that never grows. The paths come from the operator, so links
/// are followed.
fn read_if_present(path: &Path) -> Result<Option<Plaintext>, KeyError> {
    let fault = |error| KeyError::Io { path: path.to_owned(), error };
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fault)?,
    };
    let metadata = file.metadata().map_err(fault)?;
    if !metadata.is_file() || metadata.len() > MAX_IDENTITY_FILE {
        return Err(KeyError::NotAKeyFile(path.to_owned()));
    }
    let mut text = Plaintext::zeroed(usize::try_from(metadata.len()).unwrap_or_default());
    io::Read::read_exact(&mut file, text.expose_mut()).map_err(fault)?;
    Ok(Some(text))
}

/// Why a key cannot be used. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum KeyError {
    /// A named file is not there.
    #[error("{0}: there is no such file")]
    #[diagnostic(help("check the path"))]
    Missing(PathBuf),
    /// No identity anywhere.
    #[error("there is no identity to decrypt with")]
    #[diagnostic(help("give one with --identity FILE or VAULTGEN_IDENTITY, or restore {}", .0.display()))]
    NoIdentity(PathBuf),
    /// No signing key anywhere.
    #[error("there is no key to sign with")]
    #[diagnostic(help("give one with --sign-key FILE, or restore {}", .0.display()))]
    NoSigningKey(PathBuf),
    /// Too long, or a device.
    #[error("{0}: it is no key file")]
    #[diagnostic(help("a key file is a plain file of less than 64 KiB"))]
    NotAKeyFile(PathBuf),
    /// Cannot be read.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
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
