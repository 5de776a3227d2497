//! A vault opened to be changed: verified, trusted, locked against other programs.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, Identities, POLICY_FILE, SIGNERS_FILE, SecretName, Timestamp, VaultFiles, VaultFolder, Verified,
    change::{Applied, Prepared},
    folder::FolderError,
    legacy,
    lock::LockedSecret,
    signers::{AllowedSigners, SignersError},
    transaction::{ExclusiveFolder, STAGING},
    verify,
};

use crate::{
    cli::Common,
    commands, keys,
    trust::{Memory, State, TrustError},
};

/// Most bytes of an `allowed_signers` file.
const MAX_SIGNERS: u64 = 1 << 20;

/// Opens a vault to read it, together with others who read. A change that was interrupted is
/// finished or undone first.
///
/// # Errors
///
/// If it is no vault, cannot be read, or an interrupted change cannot be finished.
pub fn open(path: &Path) -> Result<VaultFolder, OpenError> {
    let mut folder = VaultFolder::open(path)?;
    // Where the file system knows no locks, a change in between shows as an unsound vault.
    let _ = folder.lock_shared();
    if folder.join(STAGING).symlink_metadata().is_ok() {
        drop(folder);
        folder = lock(path)?.share()?;
    }
    require_policy(&folder)?;
    Ok(folder)
}

fn require_policy(folder: &VaultFolder) -> Result<(), OpenError> {
    if folder.join(POLICY_FILE).exists() {
        return Ok(());
    }
    let path = folder.path().to_owned();
    Err(if legacy::is_legacy(folder) { OpenError::Legacy(path) } else { OpenError::NotAVault(path) })
}

/// Opens and verifies a vault, to look at it only. Whether its signer is trusted is not asked: nothing
/// is built on it.
///
/// # Errors
///
/// If it is no vault, or not sound.
pub fn read(common: &Common) -> miette::Result<Verified> {
    let folder = open(&common.vault)?;
    Ok(verify(&folder, &own_signers(&folder)?, |_, _| false)?)
}

/// Locks the folder against other programs, saying so if one makes us wait.
///
/// # Errors
///
/// If it cannot be opened or locked, or an interrupted change cannot be finished.
pub fn lock(path: &Path) -> Result<ExclusiveFolder, FolderError> {
    ExclusiveFolder::lock(VaultFolder::open(path)?, || {
        // Standard error may be closed; waiting goes on all the same.
        let _ = writeln!(io::stderr(), "waiting: another vaultgen is changing {}", path.display());
    })
}

/// The vault's own copy of its signers: good to notice damage, no protection against somebody
/// who can replace the whole folder.
///
/// # Errors
///
/// If they cannot be read or understood.
pub fn own_signers(files: &dyn VaultFiles) -> Result<AllowedSigners, OpenError> {
    parse_signers(Path::new(SIGNERS_FILE), files.read(SIGNERS_FILE, MAX_SIGNERS)?)
}

/// Reads a list of signers; `path` is for messages.
///
/// # Errors
///
/// If they cannot be understood.
pub fn parse_signers(path: &Path, bytes: Vec<u8>) -> Result<AllowedSigners, OpenError> {
    let text = String::from_utf8(bytes).map_err(|_| OpenError::SignersNotText(path.to_owned()))?;
    AllowedSigners::parse(&text).map_err(|error| OpenError::Signers { path: path.to_owned(), error })
}

/// A vault opened to be changed. No verb encrypts or signs on top of anything else.
pub struct OpenVault {
    pub folder: ExclusiveFolder,
    pub vault: Verified,
    memory: Memory,
}

impl OpenVault {
    /// Locks and verifies the vault, and holds it against what was seen of it last. The ciphertext
    /// that `keep` picks stays at hand.
    ///
    /// # Errors
    ///
    /// If it is not sound, not trusted, or in use.
    pub fn open(
        common: &Common,
        keep: impl Fn(&SecretName, &LockedSecret) -> bool + Sync,
    ) -> miette::Result<Self> {
        Self::verify(lock(&common.vault)?, common, keep)
    }

    /// As [`Self::open`], for a folder that is locked already.
    ///
    /// # Errors
    ///
    /// If the vault is not sound or not trusted.
    pub fn verify(
        folder: ExclusiveFolder,
        common: &Common,
        keep: impl Fn(&SecretName, &LockedSecret) -> bool + Sync,
    ) -> miette::Result<Self> {
        require_policy(folder.folder())?;
        let signers = own_signers(folder.folder())?;
        let vault = verify(folder.folder(), &signers, keep)?;
        let memory = Memory::open()?;
        memory.judge(folder.folder(), state(&vault), common.batch)?;
        memory.remember(folder.folder(), state(&vault))?;
        Ok(Self { folder, vault, memory })
    }

    /// A change on top of the present state.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn change(&self) -> miette::Result<Change> {
        Ok(Change::after(&self.vault, Timestamp::now())?)
    }

    /// Signs and applies a change, and remembers the new state. With `--no-sign` it only proposes the
    /// change, and gives back nothing.
    ///
    /// # Errors
    ///
    /// If a key is missing, or the change cannot be made. Then nothing was changed.
    pub fn apply(&self, change: Change, common: &Common) -> miette::Result<Option<Applied>> {
        if common.no_sign {
            change.propose(&self.folder)?;
            let note = "proposed, not signed: it counts once a signer runs `vaultgen sign`";
            commands::say(common.quiet, note);
            return Ok(None);
        }
        let identities = keys::identities_if(change.needs_identities()?, common)?;
        apply(change, &self.folder, &self.memory, identities, common).map(Some)
    }
}

/// What verification says of a vault, to be held against what was seen.
#[must_use]
pub fn state(vault: &Verified) -> State<'_> {
    State {
        lock: vault.lock(),
        digest: vault.lock_digest(),
        signer: vault.signer(),
        signers: vault.signers(),
        policy_text: vault.policy_text(),
    }
}

/// Signs and applies a change with the operator's own keys, and remembers the new state.
///
/// # Errors
///
/// If there is no signing key, or the change cannot be made.
pub fn apply(
    change: Change,
    folder: &ExclusiveFolder,
    memory: &Memory,
    identities: &Identities,
    common: &Common,
) -> miette::Result<Applied> {
    let key = keys::signing_key(common)?;
    let applied = change.apply(folder, key.as_ref(), identities)?;
    remember(memory, folder.folder(), &applied).map_err(|error| ChangedButForgotten { error })?;
    Ok(applied)
}

/// Makes the first state of a vault count, and remembers it.
///
/// # Errors
///
/// If it cannot be moved into place.
pub fn commit_first(prepared: Prepared<'_>, folder: &ExclusiveFolder) -> miette::Result<Applied> {
    // Before it counts: a vault that an interrupted run made is known to the next one. Without a
    // memory the next change asks whether the vault is trusted; that is no reason to fail.
    let remembered = Memory::open().and_then(|memory| {
        memory.forget_folder(folder.folder())?;
        remember(&memory, folder.folder(), prepared.applied())
    });
    let applied = prepared.commit()?;
    if let Err(error) = remembered {
        commands::warn(&format!("the vault is not remembered as yours: {error}"));
    }
    Ok(applied)
}

/// Remembers the state that a change made.
///
/// # Errors
///
/// If the memory cannot be written.
pub fn remember(memory: &Memory, folder: &VaultFolder, applied: &Applied) -> Result<(), TrustError> {
    let Applied { lock, lock_digest, signer, signers, policy_text, .. } = applied;
    memory.remember(folder, State { lock, digest: *lock_digest, signer, signers, policy_text })
}

/// Why a folder cannot be opened as a vault.
#[derive(Debug, Error, Diagnostic)]
pub enum OpenError {
    /// No policy in it.
    #[error("{0}: it is not a vault: it has no vault.toml")]
    #[diagnostic(help("name the vault with --vault DIR, or make one with `vaultgen init`"))]
    NotAVault(PathBuf),
    /// One of Odoo Box.
    #[error("{0}: it is an Odoo Box vault, which nobody signed")]
    #[diagnostic(help("turn it into a signed one: `vaultgen adopt`"))]
    Legacy(PathBuf),
    /// Cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
    /// Signers that are no text.
    #[error("{0}: it is not a text file")]
    #[diagnostic(help(
        "it is a list in the format of OpenSSH's allowed_signers; `git checkout -- FILE` brings it back"
    ))]
    SignersNotText(PathBuf),
    /// Signers that cannot be trusted.
    #[error("{path}: {error}")]
    Signers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SignersError,
    },
}

/// The change was made, but not remembered.
#[derive(Debug, Error, Diagnostic)]
#[error("the vault was changed, but could not be remembered as last seen: {error}")]
#[diagnostic(help("it is sound; make room or give permission there, and run `vaultgen verify`"))]
struct ChangedButForgotten {
    error: TrustError,
}
