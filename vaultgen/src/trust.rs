//! What this operator saw last of each vault: kept outside of any repository, so that nobody who
//! can push can make us build on a state that was forged, rolled back or swapped.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vault_format::{
    Digest, Lock, VaultFiles, VaultFolder,
    signers::{AllowedSigners, Signer},
    ssh,
};

use crate::{home, prompt, vault};

/// What was last seen of one vault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Seen {
    id: String,
    serial: u64,
    lock_sha256: Digest,
    /// Where clones of it lie, so that another vault in its place is noticed.
    folders: BTreeSet<PathBuf>,
    /// The `allowed_signers` of that state: whom we expect to have signed the next.
    allowed_signers: String,
    /// The policy of that state, to show what a change of it means.
    policy: String,
}

/// The folder with what was seen.
#[derive(Debug)]
pub struct Memory(PathBuf);

/// A state whose signature holds, to be judged.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Its lock.
    pub lock: &'a Lock,
    /// SHA-256 of the lock.
    pub digest: Digest,
    /// Who signed it.
    pub signer: &'a Signer,
    /// Who may sign the next.
    pub signers: &'a AllowedSigners,
    /// Its policy.
    pub policy_text: &'a str,
}

impl Memory {
    /// Opens the memory in the user's configuration folder, making it if need be.
    ///
    /// # Errors
    ///
    /// If there is no such folder, or it cannot be written to.
    pub fn open() -> Result<Self, TrustError> {
        let folder = home::configuration().ok_or(TrustError::NoHome)?.join("odbox").join("seen");
        fs::create_dir_all(&folder).map_err(|error| TrustError::Io { path: folder.clone(), error })?;
        Ok(Self(folder))
    }

    /// Holds a state against what was seen last of this vault and in this folder. A vault that was
    /// never seen is shown, and needs a person's yes.
    ///
    /// # Errors
    ///
    /// If the state is older, on another branch, of another vault or signed by somebody unknown,
    /// or nobody says yes.
    pub fn judge(&self, folder: &VaultFolder, state: State<'_>, batch: bool) -> Result<(), TrustError> {
        self.judge_branches(folder, state, None, batch)
    }

    /// As [`Self::judge`], for a state that is to be joined with `other`: it is enough that one of them
    /// descends from what was seen last, since the joined one then does.
    ///
    /// # Errors
    ///
    /// As [`Self::judge`].
    pub fn judge_branches(
        &self,
        folder: &VaultFolder,
        state: State<'_>,
        other: Option<State<'_>>,
        batch: bool,
    ) -> Result<(), TrustError> {
        let place = canonical(folder)?;
        let all = self.all()?;
        if let Some(error) = other_vault(&all, &place, state) {
            return Err(error);
        }
        match all.iter().find(|seen| seen.id == state.lock.id.to_string()) {
            Some(seen) => seen.accepts(state, other, self),
            None => first_use(&place, state, batch),
        }
    }

    /// The signers of the vault that was last seen in this folder; for a vault that was never seen,
    /// the copy among its own files, which [`Self::judge`] then asks about.
    ///
    /// # Errors
    ///
    /// If the memory cannot be read, or the vault's own copy is malformed.
    pub fn signers_of(&self, folder: &VaultFolder, files: &dyn VaultFiles) -> miette::Result<AllowedSigners> {
        let place = canonical(folder)?;
        match self.all()?.iter().find(|seen| seen.folders.contains(&place)) {
            Some(seen) => Ok(AllowedSigners::parse(&seen.allowed_signers)?),
            None => Ok(vault::own_signers(files)?),
        }
    }

    /// The policy of a state, if it is the one that was last seen of its vault.
    ///
    /// # Errors
    ///
    /// If the memory cannot be read.
    pub fn policy_of(&self, lock: &Lock, digest: Digest) -> Result<Option<String>, TrustError> {
        let seen = read(&self.file_of(&lock.id.to_string()))?;
        Ok(seen.filter(|seen| seen.lock_sha256 == digest).map(|seen| seen.policy))
    }

    /// Remembers a state whose signer somebody vouched for, and gives back what speaks against it:
    /// then it is not remembered, since looking at another vault or an old state must not let it in.
    ///
    /// # Errors
    ///
    /// If the memory cannot be read or written.
    pub fn remember_if_newer(
        &self,
        folder: &VaultFolder,
        state: State<'_>,
    ) -> Result<Option<TrustError>, TrustError> {
        let (place, all) = (canonical(folder)?, self.all()?);
        let doubt = match all.iter().find(|seen| seen.id == state.lock.id.to_string()) {
            Some(seen) => seen.precedes(state, self).err(),
            None => None,
        };
        let doubt = other_vault(&all, &place, state).or(doubt);
        if doubt.is_none() {
            self.remember(folder, state)?;
        }
        Ok(doubt)
    }

    /// Remembers a state as the last one seen.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn remember(&self, folder: &VaultFolder, state: State<'_>) -> Result<(), TrustError> {
        let id = state.lock.id.to_string();
        let path = self.file_of(&id);
        let _alone = self.lock()?;
        let mut folders = read(&path)?.map(|seen| seen.folders).unwrap_or_default();
        folders.insert(canonical(folder)?);
        let seen = Seen {
            id,
            serial: state.lock.serial,
            lock_sha256: state.digest,
            folders,
            allowed_signers: state.signers.to_string(),
            policy: state.policy_text.to_owned(),
        };
        self.write(&seen)
    }

    /// Forgets which vault this folder held: a new one is being made in it.
    ///
    /// # Errors
    ///
    /// If the memory cannot be read or written.
    pub fn forget_folder(&self, folder: &VaultFolder) -> Result<(), TrustError> {
        let place = canonical(folder)?;
        let _alone = self.lock()?;
        for mut seen in self.all()? {
            if seen.folders.remove(&place) {
                self.write(&seen)?;
            }
        }
        Ok(())
    }

    /// Keeps other programs from writing to the memory until it is dropped: two of them may change
    /// two clones of one vault.
    fn lock(&self) -> Result<File, TrustError> {
        let locked = File::open(&self.0).and_then(|folder| {
            rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        });
        locked.map_err(|error| TrustError::Io { path: self.0.clone(), error })
    }

    /// Under the lock.
    fn write(&self, seen: &Seen) -> Result<(), TrustError> {
        let path = self.file_of(&seen.id);
        let text = toml::to_string(seen).map_err(|_| TrustError::Malformed(path.clone()))?;
        // Written beside and renamed over: a crash leaves the old memory or the new one.
        let draft = path.with_extension("new");
        File::create(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|error| TrustError::Io { path, error })
    }

    fn file_of(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.toml"))
    }

    fn all(&self) -> Result<Vec<Seen>, TrustError> {
        let fault = |error| TrustError::Io { path: self.0.clone(), error };
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                all.extend(read(&path)?);
            }
        }
        Ok(all)
    }
}

impl Seen {
    fn accepts(&self, state: State<'_>, other: Option<State<'_>>, memory: &Memory) -> Result<(), TrustError> {
        let known = AllowedSigners::parse(&self.allowed_signers).unwrap_or_default();
        for signer in [Some(state), other].into_iter().flatten().map(|state| state.signer) {
            if known.find(signer.key().key_data()).is_none() {
                return Err(TrustError::UnknownSigner(ssh::fingerprint(signer.key())));
            }
        }
        match other {
            Some(other) if self.precedes(other, memory).is_ok() => Ok(()),
            _ => self.precedes(state, memory),
        }
    }

    fn precedes(&self, state: State<'_>, memory: &Memory) -> Result<(), TrustError> {
        if state.digest == self.lock_sha256 {
            return Ok(());
        }
        let (found, seen) = (state.lock.serial, self.serial);
        if found < seen {
            return Err(TrustError::Older { found, seen, memory: memory.file_of(&self.id) });
        }
        if !state.lock.ancestors.contains(&self.lock_sha256) {
            return Err(TrustError::Fork { found, seen, memory: memory.file_of(&self.id) });
        }
        Ok(())
    }
}

/// Whether this folder held another vault so far.
fn other_vault(all: &[Seen], place: &Path, state: State<'_>) -> Option<TrustError> {
    let found = state.lock.id.to_string();
    let other = all.iter().find(|seen| seen.id != found && seen.folders.contains(place))?;
    Some(TrustError::OtherVault { folder: place.to_owned(), seen: other.id.clone(), found })
}

fn first_use(place: &Path, state: State<'_>, batch: bool) -> Result<(), TrustError> {
    let who = format!("{} {}", state.signer.principal(), ssh::fingerprint(state.signer.key()));
    if batch {
        return Err(TrustError::FirstUse { folder: place.to_owned(), who });
    }
    let question = format!(
        "{} was never used here before. It is vault {}, serial {}, signed by {who}.\n\
         Compare the fingerprint with its owner. Trust it? [y/N] ",
        place.display(),
        state.lock.id,
        state.lock.serial
    );
    match prompt::confirm(&question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(TrustError::Declined),
        Err(_) => Err(TrustError::FirstUse { folder: place.to_owned(), who }),
    }
}

fn read(path: &Path) -> Result<Option<Seen>, TrustError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| TrustError::Io { path: path.to_owned(), error })?,
    };
    toml::from_str(&text).map(Some).map_err(|_| TrustError::Malformed(path.to_owned()))
}

fn canonical(folder: &VaultFolder) -> Result<PathBuf, TrustError> {
    let path = folder.path();
    path.canonicalize().map_err(|error| TrustError::Io { path: path.to_owned(), error })
}

/// Why a vault is not trusted. Nothing was changed.
#[derive(Debug, Error, Diagnostic)]
pub enum TrustError {
    /// Nowhere to remember.
    #[error("there is no configuration folder to remember this vault in")]
    #[diagnostic(help("set HOME or XDG_CONFIG_HOME"))]
    NoHome,
    /// The memory cannot be read or written.
    #[error("{path}")]
    #[diagnostic(help(
        "what was seen last of each vault is kept there: make room, or give yourself permission"
    ))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The memory makes no sense.
    #[error("{0}: what was remembered of a vault is damaged")]
    #[diagnostic(help("remove the file; the vault is then as if it were never used here"))]
    Malformed(PathBuf),
    /// Never seen, and nobody to ask.
    #[error("{folder} was never used here before; it is signed by {who}")]
    #[diagnostic(help(
        "check the signer once: `vaultgen verify --allowed-signers FILE` with a list from outside of the repository"
    ))]
    FirstUse {
        /// The vault's folder.
        folder: PathBuf,
        /// Name and fingerprint.
        who: String,
    },
    /// A person said no.
    #[error("the vault is not trusted; nothing was changed")]
    #[diagnostic(help(
        "ask its owner for the list of signers by another way than the repository: `vaultgen verify --allowed-signers FILE`"
    ))]
    Declined,
    /// Another vault in its place.
    #[error("{folder} held vault {seen} so far, and now holds vault {found}")]
    #[diagnostic(help("somebody replaced the vault; if you did, name the new one by another path"))]
    OtherVault {
        /// The folder.
        folder: PathBuf,
        /// The id before.
        seen: String,
        /// The id now.
        found: String,
    },
    /// Signed by a key that the last seen state did not allow.
    #[error("the vault is signed by {0}, who was no signer when you last saw it")]
    #[diagnostic(help(
        "if a signer you know added this one, say so: `vaultgen verify --allowed-signers FILE` with a list from outside of the repository"
    ))]
    UnknownSigner(String),
    /// Rolled back.
    #[error("the vault is older than the one you last saw: serial {found} after {seen}")]
    #[diagnostic(help(
        "somebody brought an older state back: fetch the newest, and undo a change with `vaultgen revert`, not with Git; if you threw a change of yours away for good, remove {}: you are asked then as at the first use",
        .memory.display()
    ))]
    Older {
        /// Its serial.
        found: u64,
        /// The last seen.
        seen: u64,
        /// Where that is remembered.
        memory: PathBuf,
    },
    /// On another branch.
    #[error("the vault (serial {found}) does not descend from the state you last saw (serial {seen})")]
    #[diagnostic(help(
        "it is on another branch: join both with `vaultgen merge`; if you threw that one away for good, remove {}: you are asked then as at the first use",
        .memory.display()
    ))]
    Fork {
        /// Its serial.
        found: u64,
        /// The last seen.
        seen: u64,
        /// Where that is remembered.
        memory: PathBuf,
    },
}
