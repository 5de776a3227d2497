//! What this machine has accepted: a folder for each mount point below `/var/lib/vaultd`, which the
//! monitor alone and the commands of root write.
//!
//! | file | what it is |
//! | --- | --- |
//! | `accepted.json` | the state that was accepted last: nothing that does not descend from it follows |
//! | `good.tar` | its files, for when the vault's folder is no good at boot |
//! | `waiver.json` | what somebody let in once, until it is used up |

mod accept;
mod copy;
mod end;
mod error;
mod facts;
mod folder_name;
mod judge;
mod lock;
mod moment;
pub(crate) mod replace;
mod waiver;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vault_format::lock::VaultId;
use vault_format::{Digest, Timestamp};

pub use end::End;
pub use error::StateError;
pub use facts::Facts;
pub(crate) use folder_name::escape;
pub use judge::{Configured, Refusal, Verdict, judge};
pub use lock::Lock;
pub use waiver::{Exception, Waiver};

use copy::Copied;
use replace::replace;

/// Where the state of a machine lies.
pub const ROOT: &str = "/var/lib/vaultd";

const ACCEPTED: &str = "accepted.json";
const GOOD: &str = "good.tar";
const WAIVER: &str = "waiver.json";

/// Most bytes of a file in JSON; a real one has a few hundred.
const MAX_JSON: u64 = 64 * 1024;
/// Permission bits of all files here.
const MODE: u32 = 0o600;
/// Permission bits that let anybody but the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The state that this machine accepted last at a mount point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accepted {
    /// Where it is served; for people.
    pub mountpoint: String,
    /// Which vault it is of.
    pub vault_id: VaultId,
    /// Its serial.
    pub serial: u64,
    /// SHA-256 of its lock.
    pub lock_sha256: Digest,
    /// The fingerprint of its signer, `SHA256:…`.
    pub signer: String,
    /// The signer's name, in this machine's list when it was accepted.
    pub principal: String,
    /// When.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The last waiver that was used up here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
    /// How many bytes of the copy belong to it; nothing for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_bytes: Option<u64>,
}

impl Accepted {
    /// Whether it is this state, signed by the same.
    fn is_of(&self, facts: &Facts) -> bool {
        self.lock_sha256 == facts.lock_sha256
            && self.signer == facts.signer
            && self.principal == facts.principal
    }
}

/// The folder with the state of one mount point.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    mount_point: PathBuf,
    /// The copy, as long as it is known to be that of the state accepted last.
    copied: Mutex<Option<Copied>>,
}

impl StateFolder {
    /// Opens the folder of a mount point below `root`, and makes both where they are missing.
    ///
    /// # Errors
    /// [`StateError`]: they cannot be made, somebody else could write there, or the mount point has no
    /// absolute path.
    pub fn open(root: &Path, mount_point: &Path) -> Result<Self, StateError> {
        let state = Self::at(root, mount_point)?;
        for folder in [root, &state.folder] {
            make_private(folder)?;
        }
        Ok(state)
    }

    /// Opens the folder of a mount point, where anything was ever accepted.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_existing(root: &Path, mount_point: &Path) -> Result<Option<Self>, StateError> {
        let state = Self::at(root, mount_point)?;
        match fs::symlink_metadata(&state.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::Read { path: state.folder, error }),
            Ok(_) => Self::open(root, mount_point).map(Some),
        }
    }

    fn at(root: &Path, mount_point: &Path) -> Result<Self, StateError> {
        let name =
            folder_name::escape(mount_point).ok_or_else(|| StateError::MountPoint(mount_point.to_owned()))?;
        let copied = Mutex::default();
        Ok(Self { folder: root.join(name), mount_point: mount_point.to_owned(), copied })
    }

    /// Waits until nobody else is about to change what was accepted, and is the one who does.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn lock(&self) -> Result<Lock, StateError> {
        Lock::of(&self.folder)
    }

    /// What was accepted last.
    ///
    /// # Errors
    /// [`StateError`]: it cannot be read, or is damaged.
    pub fn accepted(&self) -> Result<Option<Accepted>, StateError> {
        read_json(&self.folder.join(ACCEPTED))
    }

    /// What somebody let in once, and was not used up yet.
    ///
    /// # Errors
    /// As [`Self::accepted`].
    pub fn waiver(&self) -> Result<Option<Waiver>, StateError> {
        let used = self.accepted()?.and_then(|accepted| accepted.waiver);
        Ok(read_json(&self.folder.join(WAIVER))?.filter(|waiver| Some(waiver) != used.as_ref()))
    }

    /// The kept copy of the state that was accepted last, unread: a snapshot to be verified.
    ///
    /// # Errors
    /// [`StateError::Read`].
    pub fn good(&self) -> Result<Option<File>, StateError> {
        open_file(&self.folder.join(GOOD))
    }

    /// Lets a state in once that should not follow. It takes the place of a waiver that nobody used.
    ///
    /// # Errors
    /// [`StateError`]: it cannot be written, or what is there be read.
    pub fn waive(&self, exception: Exception) -> Result<Waiver, StateError> {
        let _lock = self.lock()?;
        let used = self.accepted()?.and_then(|accepted| accepted.waiver);
        let waiver = Waiver::after(used.as_ref(), exception);
        self.write_json(WAIVER, &waiver)?;
        Ok(waiver)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StateError> {
        self.write(name, |mut file| {
            let mut text = serde_json::to_vec_pretty(value)?;
            text.push(b'\n');
            file.write_all(&text)
        })
    }

    fn write(&self, name: &str, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StateError> {
        let path = self.folder.join(name);
        replace(&path, MODE, write).map_err(|error| StateError::Write { path, error })
    }
}

/// What was accepted last at every mount point of this machine.
///
/// # Errors
/// [`StateError`]: the state below `root` cannot be read, or is damaged.
pub fn accepted_anywhere(root: &Path) -> Result<Vec<Accepted>, StateError> {
    let fault = |error| StateError::Read { path: root.to_owned(), error };
    let folders = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folders => folders.map_err(fault)?,
    };
    let mut all = Vec::new();
    for folder in folders {
        let folder = folder.map_err(fault)?;
        if folder.file_type().map_err(fault)?.is_dir() {
            all.extend(read_json::<Accepted>(&folder.path().join(ACCEPTED))?);
        }
    }
    Ok(all)
}

/// Makes a folder that only its owner enters, or checks that nobody else may write to the one there.
fn make_private(folder: &Path) -> Result<(), StateError> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
    // An error may also say that there is something else in its place.
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Err(StateError::Write { path: folder.to_owned(), error: made.err().unwrap_or(error) });
        }
    };
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.is_dir() && ours && metadata.mode() & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    Err(StateError::NotOurs(folder.to_owned()))
}

fn open_file(path: &Path) -> Result<Option<File>, StateError> {
    // NONBLOCK: a FIFO in its place must not make us wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(StateError::Read { path: path.to_owned(), error: errno.into() }),
        Ok(file) => Ok(Some(file.into())),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let Some(file) = open_file(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX_JSON + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| StateError::Read { path: path.to_owned(), error })?;
    let damaged = || StateError::Damaged(path.to_owned());
    if bytes.len() as u64 > MAX_JSON {
        return Err(damaged());
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|_| damaged())
}

#[cfg(test)]
mod tests;
