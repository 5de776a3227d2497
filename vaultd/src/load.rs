//! Read, verify, decrypt: from the files of a vault to a generation.

mod unsigned;

use std::path::PathBuf;

use clap::Args;
use miette::Diagnostic;
use vault_format::cipher::{self, CipherError};
use vault_format::folder::FolderError;
use vault_format::identity::IdentityError;
use vault_format::key_file::{KeyFile, KeyFileError};
use vault_format::name::NameError;
use vault_format::passphrase::Nobody;
use vault_format::policy::Access;
use vault_format::signature::SignatureError;
use vault_format::signers::{AllowedSigners, SignersError};
use vault_format::verify::{Problem, Unsound};
use vault_format::{Identities, SecretName, VaultFolder, Verified, verify};

use crate::generation::{BuildError, Entry, Generation};
use crate::owner::{OwnerError, Owners};
use crate::sys::memory::Locking;

/// What to serve, and whom to trust.
#[derive(Debug, Args)]
pub struct Source {
    /// Vault to serve
    #[arg(long, value_name = "DIR", default_value = "/etc/vaultd/vault")]
    pub vault: PathBuf,

    /// Private key that decrypts the vault; may be given several times
    #[arg(long = "identity", value_name = "FILE", default_value = "/etc/age.key")]
    pub identities: Vec<PathBuf>,

    /// Signers whose vaults this machine serves
    #[arg(long, value_name = "FILE", default_value = "/etc/vaultd/allowed_signers")]
    pub allowed_signers: PathBuf,

    /// Serve a vault of Odoo Box, which nobody signed: nothing of it is verified
    #[arg(long, conflicts_with = "allowed_signers")]
    pub unsigned: bool,

    /// Serve the snake-oil vault, whose keys everybody knows
    #[arg(long)]
    pub allow_snakeoil: bool,

    /// Go on, weaker, where memory cannot be locked against swapping
    #[arg(long)]
    allow_swappable: bool,
}

impl Source {
    /// What to do when memory cannot be locked.
    #[must_use]
    pub fn locking(&self) -> Locking {
        match self.allow_swappable {
            true => Locking::AllowSwappable,
            false => Locking::Required,
        }
    }
}

/// What came of loading: what to serve, and what its operator should know.
#[derive(Debug)]
pub struct Loaded {
    /// Everything that these identities can decrypt.
    pub generation: Generation,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
}

/// Reads, verifies and decrypts a vault: all of it or nothing.
///
/// Served is exactly what is encrypted to one of the identities; the rest of the vault is
/// verified and not opened.
///
/// # Errors
/// Every problem that was found, without any plaintext.
pub fn load(source: &Source) -> Result<Loaded, LoadError> {
    if source.unsigned {
        return unsigned::load(source);
    }
    let identities = identities(source)?;
    let trusted = trusted_signers(source)?;
    let vault = verified(source, &identities, &trusted)?;
    refuse_what_cannot_be_enforced(&vault)?;
    let files = files(&vault);
    if files.is_empty() {
        return Err(LoadError::Nothing(source.vault.clone()));
    }
    decrypt(&vault, &files, &identities, source.locking())
}

fn identities(source: &Source) -> Result<Identities, LoadError> {
    let mut identities = Identities::none();
    for path in &source.identities {
        let file = KeyFile::read(path)?;
        let parsed = Identities::parse(&file.text, &Nobody)
            .map_err(|error| LoadError::Identity { path: path.clone(), error })?;
        // Everybody has the snake-oil identity anyway; whether it is allowed is judged below.
        if !file.is_private && !snakeoil::knows_all(&parsed.recipients()) {
            return Err(LoadError::IdentityExposed(path.clone()));
        }
        identities.extend(parsed);
    }
    Ok(identities)
}

fn trusted_signers(source: &Source) -> Result<AllowedSigners, LoadError> {
    let path = &source.allowed_signers;
    let text = std::fs::read_to_string(path)
        .map_err(|error| LoadError::ReadSigners { path: path.clone(), error })?;
    AllowedSigners::parse(&text).map_err(|error| LoadError::Signers { path: path.clone(), error })
}

/// Verifies the vault, and keeps the ciphertext of what the identities can open.
fn verified(
    source: &Source,
    identities: &Identities,
    trusted: &AllowedSigners,
) -> Result<Verified, LoadError> {
    let ours = identities.recipients();
    if !source.allow_snakeoil {
        snakeoil::refuse_keys(&ours, trusted)?;
    }
    let folder = VaultFolder::open(&source.vault)?;
    let verified = verify(&folder, trusted, |_, secret| !secret.recipients.is_disjoint(&ours));
    let vault = match verified {
        Err(unsound) if !source.allow_snakeoil && is_signed_by_snakeoil(&unsound) => {
            return Err(snakeoil::SnakeOil::by_its_signer().into());
        }
        other => other?,
    };
    if !source.allow_snakeoil {
        snakeoil::refuse_vault(vault.lock())?;
    }
    Ok(vault)
}

/// Whether the only thing known of a vault is that the snake-oil signer signed it.
fn is_signed_by_snakeoil(unsound: &Unsound) -> bool {
    unsound.problems().iter().any(|problem| match problem {
        Problem::Signature(SignatureError::Untrusted(fingerprint)) => snakeoil::is_signer(fingerprint),
        _ => false,
    })
}

/// A rule that this version does not know how to keep must not be served without it.
fn refuse_what_cannot_be_enforced(vault: &Verified) -> Result<(), LoadError> {
    let policy = vault.policy();
    if let Some(name) = policy.templates().keys().next() {
        return Err(LoadError::Template(name.clone()));
    }
    let secrets = vault.lock().secrets.keys().map(|name| (name, &policy.secret(name).access));
    let views = policy.views().iter().map(|(path, view)| (path, &view.access));
    match secrets.chain(views).find(|(_, access)| !access.services.is_empty()) {
        Some((name, _)) => Err(LoadError::Services(name.clone())),
        None => Ok(()),
    }
}

/// A file of the mount: a secret under its own name, or a view of one.
struct ServedFile<'a> {
    path: &'a SecretName,
    secret: &'a SecretName,
    access: &'a Access,
    ciphertext: &'a [u8],
}

fn files(vault: &Verified) -> Vec<ServedFile<'_>> {
    let policy = vault.policy();
    let secrets = vault.lock().secrets.keys().map(|name| (name, name, &policy.secret(name).access));
    let views = policy.views().iter().map(|(path, view)| (path, &view.of, &view.access));
    let served = secrets.chain(views).filter_map(|(path, secret, access)| {
        Some(ServedFile { path, secret, access, ciphertext: vault.ciphertext(secret)? })
    });
    served.collect()
}

fn decrypt(
    vault: &Verified,
    files: &[ServedFile<'_>],
    identities: &Identities,
    locking: Locking,
) -> Result<Loaded, LoadError> {
    let mut owners = Owners::default();
    let entries = files.iter().map(|file| entry(vault, file, &mut owners)).collect::<Result<Vec<_>, _>>()?;
    let generation = Generation::build(&entries, locking, |index, plaintext| {
        cipher::decrypt_into(files[index].ciphertext, identities, plaintext)
    });
    let generation = generation.map_err(|error| match error {
        BuildError::Fill(failed) => {
            let failed = failed.into_iter().map(|(index, error)| failure(&files[index], error));
            LoadError::Decrypt { failures: failed.collect() }
        }
        error => LoadError::Build(error),
    })?;
    let warnings = warnings(vault, &owners);
    Ok(Loaded { generation, warnings })
}

fn entry(vault: &Verified, file: &ServedFile<'_>, owners: &mut Owners) -> Result<Entry, LoadError> {
    let access = file.access;
    let ownership = owners.resolve(&access.owner, &access.group, access.mode.bits())?;
    let size = cipher::plaintext_len(file.ciphertext)
        .map_err(|error| LoadError::Decrypt { failures: vec![failure(file, error)] })?;
    Ok(Entry {
        path: file.path.to_string(),
        owner: ownership.owner,
        group: ownership.group,
        mode: ownership.mode,
        modified: vault.lock().secrets[file.secret].rotated.system_time(),
        size,
    })
}

fn failure(file: &ServedFile<'_>, error: CipherError) -> DecryptFailure {
    DecryptFailure { name: file.path.clone(), error }
}

fn warnings(vault: &Verified, owners: &Owners) -> Vec<String> {
    let mut warnings: Vec<String> = vault.warnings().iter().map(ToString::to_string).collect();
    for name in owners.unknown() {
        warnings.push(format!("there is no user or group {name}: its files are left to root"));
    }
    warnings
}

/// Why a vault is not served. No message shows any plaintext.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// A key file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Others than its owner may read the identity.
    #[error("{}: this identity can be read by others than its owner", .0.display())]
    #[diagnostic(help("chmod 0400 {}, and replace it if somebody may have read it", .0.display()))]
    IdentityExposed(PathBuf),
    /// A file that holds no identity.
    #[error("{}: {error}", .path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: IdentityError,
    },
    /// The signers cannot be read.
    #[error("cannot read this machine's signers, {}", .path.display())]
    #[diagnostic(help(
        "copy the vault's allowed_signers there after comparing the fingerprints with its owner, or name another file with --allowed-signers"
    ))]
    ReadSigners {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// Signers that cannot be trusted.
    #[error("{}: {error}", .path.display())]
    Signers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SignersError,
    },
    /// The vault's folder cannot be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
    /// The vault is not sound.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unsound(#[from] Unsound),
    /// Signed, and asked for as if it were not.
    #[error("{}: this is part of a signed vault, which is served by its signature or not at all", .0.display())]
    #[diagnostic(help("leave out --unsigned, and name this machine's signers with --allowed-signers FILE"))]
    Signed(PathBuf),
    /// A file with a name that no secret can have.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// The vault that everybody can read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    SnakeOil(#[from] snakeoil::SnakeOil),
    /// Rendering is not there yet.
    #[error("the policy has the template {0}, and this version of vaultd renders none")]
    #[diagnostic(help("serve the values as secrets of their own until it does"))]
    Template(SecretName),
    /// The rule is not there yet.
    #[error("the policy lets only some services open {0}, and this version of vaultd cannot enforce that")]
    #[diagnostic(help("use owner, group and mode, and take `services` out of vault.toml, until it can"))]
    Services(SecretName),
    /// Nothing is encrypted to these identities.
    #[error("{}: the identities given can decrypt nothing in this vault", .0.display())]
    #[diagnostic(help(
        "give the identity of one of its recipients with --identity FILE; they are listed in vault.toml"
    ))]
    Nothing(PathBuf),
    /// A name cannot own a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Owner(#[from] OwnerError),
    /// Some secrets cannot be decrypted.
    #[error("{} of the secrets cannot be decrypted", .failures.len())]
    Decrypt {
        /// Each of them.
        #[related]
        failures: Vec<DecryptFailure>,
    },
    /// There is no memory for the plaintext.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Build(BuildError<CipherError>),
}

/// A secret that cannot be decrypted.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name}: {error}")]
pub struct DecryptFailure {
    name: SecretName,
    #[diagnostic_source]
    error: CipherError,
}
