//! How a vault is to be served, with every default filled in.

use std::env;
use std::io;
use std::path::{PathBuf, absolute};
use std::time::Duration;

use crate::configuration::{Configuration, Record};
use crate::process::Station;
use crate::signers;
use crate::state::Configured;
use crate::sys::memory::Locking;

/// The vault that is served where no other is named.
pub const VAULT: &str = "/etc/vaultd/vault";
/// The identity that is used where no other is named.
pub const IDENTITY: &str = "/etc/age.key";
/// The credential of systemd that is used instead, if the unit has it (systemd.exec(5)).
pub const CREDENTIAL: &str = "vaultd.identity";
/// Where a vault is mounted if nobody says otherwise.
pub const MOUNT_POINT: &str = "/run/vault";
/// The user that the processes run as which do the work.
pub const SERVER_USER: &str = "vaultd";
/// How long requests wait for a server.
pub const RESUME_TIMEOUT: Duration = Duration::from_secs(10);

/// What to serve, and whom to trust.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the vault.
    pub vault: PathBuf,
    /// Private keys that decrypt it.
    pub identities: Vec<PathBuf>,
    /// The list of this machine's signers.
    pub allowed_signers: PathBuf,
    /// Whether a vault of Odoo Box is meant, which nobody signed.
    pub unsigned: bool,
    /// Whether the vault that everybody can read may be served.
    pub allow_snakeoil: bool,
    /// Whether a vault in which nothing is for this machine is served, as an empty mount.
    pub allow_empty: bool,
    /// What to do where memory cannot be locked.
    pub locking: Locking,
    /// The user that the processes run as which do the work.
    pub server_user: String,
    /// How long requests wait for a server, before the mount is made anew.
    pub resume_timeout: Duration,
    /// Whether opens are recorded.
    pub record: Record,
    /// Whether the state accepted last is served at the start where the present one is refused.
    pub fallback: bool,
    /// The units that a vault may have reloaded or restarted when a value changes.
    pub on_change_units: Vec<String>,
    /// What holds for every state of the vault.
    pub configured: Configured,
    /// Where it is written down what was accepted.
    pub state: PathBuf,
    /// Where to mount.
    pub mount_point: PathBuf,
}

impl Settings {
    /// These settings, with the defaults for what they leave open. Paths are made absolute: the monitor leaves
    /// its caller's folder.
    ///
    /// # Errors
    /// The current folder is not known.
    pub fn of(configuration: Configuration, state: PathBuf) -> io::Result<Self> {
        let configured = configuration.configured();
        let locking = match configuration.allow_swappable {
            Some(true) => Locking::AllowSwappable,
            _ => Locking::Required,
        };
        let or = |given: Option<PathBuf>, default: &str| absolute(given.unwrap_or_else(|| default.into()));
        let identities = configuration.identity.unwrap_or_else(|| vec![usual_identity()]);
        Ok(Self {
            vault: or(configuration.vault, VAULT)?,
            identities: identities.into_iter().map(absolute).collect::<io::Result<_>>()?,
            allowed_signers: or(configuration.allowed_signers, signers::FILE)?,
            unsigned: configuration.unsigned.unwrap_or(false),
            allow_snakeoil: configuration.allow_snakeoil.unwrap_or(false),
            allow_empty: configuration.allow_empty.unwrap_or(false),
            locking,
            server_user: configuration.server_user.unwrap_or_else(|| SERVER_USER.to_owned()),
            resume_timeout: configuration.resume_timeout.unwrap_or(RESUME_TIMEOUT),
            record: configuration.record.unwrap_or_default(),
            fallback: configuration.fallback.unwrap_or(true),
            on_change_units: configuration.on_change_units.unwrap_or_default(),
            configured,
            state: absolute(state)?,
            mount_point: or(configuration.mountpoint, MOUNT_POINT)?,
        })
    }

    /// Where the decryptor stands.
    #[must_use]
    pub fn decryptor(&self) -> Station {
        Station::of_decryptor(self.locking)
    }

    /// Where the other processes stand that do the work.
    ///
    /// # Errors
    /// The users of this machine cannot be read.
    pub fn station(&self) -> io::Result<Station> {
        Station::of_user(&self.server_user, self.locking)
    }
}

/// The identity where none is named: the credential that systemd gave us, or else [`IDENTITY`].
fn usual_identity() -> PathBuf {
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credential = credentials.map(|folder| folder.join(CREDENTIAL)).filter(|path| path.exists());
    credential.unwrap_or_else(|| IDENTITY.into())
}
