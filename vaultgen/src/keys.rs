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

/// The identities of an existing vault's operator: those of `--identity`, else of `VAULTGEN_IDENTITY`, else
/// the first that there is of the vault's own `age.key`, the one in the user's configuration, and the
/// user's SSH key. They are opened once a run.
///
/// # Errors
///
/// If a file that was named cannot be read, any of them is no identity file, or there is none.
pub fn identities(common: &Common) -> Result<&Identities, KeyError> {
    if let Some(opened) = common.opened.get() {
        return Ok(opened);
    }
    let none = || KeyError::NoIdentity(common.vault.join(IDENTITY_FILE));
    let found = parse_all(identity_files(common, usual(IDENTITY_FILE))?)?.ok_or_else(none)?;
    Ok(common.opened.get_or_init(|| found))
}

/// As [`identities`], if something has to be decrypted: nobody is asked for a passphrase in vain.
///
/// # Errors
///
/// As [`identities`], but for none: what cannot be decrypted names itself later.
pub fn identities_if(needed: bool, common: &Common) -> Result<&Identities, KeyError> {
    static NONE: Identities = Identities::none();
    match needed.then(|| identities(common)) {
        None | Some(Err(KeyError::NoIdentity(_))) => Ok(&NONE),
        Some(found) => found,
    }
}

/// The identities for a vault to be made: as [`identities`], but those only that were named or are the
/// vault's own. A key that just happens to be there is not taken over.
///
/// # Errors
///
/// As [`identities`], but for none.
pub fn find_identities(common: &Common) -> Result<Option<Identities>, KeyError> {
    parse_all(identity_files(common, Vec::new())?)
}

/// The key of a signer of an existing vault: that of `--sign-key`, else of `VAULTGEN_SIGN_KEY`, else the
/// first that there is of the vault's own `signing.key`, the one in the user's configuration, and the user's
/// SSH key. A public key stands for one that an SSH agent holds.
///
/// # Errors
///
/// If the file that was named cannot be read, it is no key, or there is none.
pub fn signing_key(common: &Common) -> Result<Box<dyn LockSigner>, KeyError> {
    let none = || KeyError::NoSigningKey(common.vault.join(SIGNING_KEY_FILE));
    first_signing_key(common, usual(SIGNING_KEY_FILE))?.ok_or_else(none)
}

/// The key for a vault to be made: as [`signing_key`], but one only that was named or is the vault's own.
///
/// # Errors
///
/// As [`signing_key`], but for none.
pub fn find_signing_key(common: &Common) -> Result<Option<Box<dyn LockSigner>>, KeyError> {
    first_signing_key(common, Vec::new())
}

fn identity_files(common: &Common, usual: Vec<PathBuf>) -> Result<Vec<(PathBuf, KeyFile)>, KeyError> {
    key_files(&common.identities, IDENTITY_VARIABLE, common.vault.join(IDENTITY_FILE), usual)
}

fn first_signing_key(common: &Common, usual: Vec<PathBuf>) -> Result<Option<Box<dyn LockSigner>>, KeyError> {
    let own = common.vault.join(SIGNING_KEY_FILE);
    let files = key_files(common.sign_key.as_slice(), SIGN_KEY_VARIABLE, own, usual)?;
    files.first().map(|(path, file)| parse_signing_key(path, file)).transpose()
}

/// The one order in which keys are looked for: all that were named on the command line, else the one that
/// the environment names, else the first that there is.
fn key_files(
    named: &[PathBuf],
    variable: &str,
    own: PathBuf,
    usual: Vec<PathBuf>,
) -> Result<Vec<(PathBuf, KeyFile)>, KeyError> {
    let variable = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = if named.is_empty() { variable.as_slice() } else { named };
    if !named.is_empty() {
        return named.iter().map(|path| Ok((path.clone(), KeyFile::read(path)?))).collect();
    }
    for path in std::iter::once(own).chain(usual) {
        if let Some(file) = KeyFile::read_if_present(&path)? {
            return Ok(vec![(path, file)]);
        }
    }
    Ok(Vec::new())
}

/// Where the user's keys usually are: in their configuration, and as their SSH key.
pub fn usual(file: &str) -> Vec<PathBuf> {
    let configured = home::configuration().map(|folder| folder.join("odbox").join(file));
    configured.into_iter().chain(home::ssh_key()).collect()
}

fn parse_all(files: Vec<(PathBuf, KeyFile)>) -> Result<Option<Identities>, KeyError> {
    let parsed = files.iter().map(|(path, file)| parse_identities(path, &file.text));
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    Ok(parsed.into_iter().reduce(|mut all, more| {
        all.extend(more);
        all
    }))
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
    #[diagnostic(help(
        "give one with --identity FILE or VAULTGEN_IDENTITY, or restore {}; if you are new here, make \
         ~/.config/odbox/age.key with `age-keygen` and have a colleague run `vaultgen recipients add`",
        .0.display()
    ))]
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
