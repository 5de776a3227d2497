//! `/etc/vaultd/vaultd.toml`: what the flags of `vaultd mount` say, and what only the machine's owner
//! decides. Flags win.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use thiserror::Error;
use vault_format::lock::VaultId;

use crate::state::Configured;

/// Where the configuration lies.
pub const FILE: &str = "/etc/vaultd/vaultd.toml";

/// Whether opens are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Each open, with who did it.
    #[default]
    On,
    /// None: the kernel answers them alone.
    Off,
}

/// The settings that a file, or a command line, makes; what neither does has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Configuration {
    /// The vault to serve.
    #[serde(deserialize_with = "absolute")]
    pub vault: Option<PathBuf>,
    /// The private keys that decrypt it: a path, or a list of paths.
    #[serde(deserialize_with = "one_or_several")]
    pub identity: Option<Vec<PathBuf>>,
    /// This machine's signers.
    #[serde(deserialize_with = "absolute")]
    pub allowed_signers: Option<PathBuf>,
    /// Where it is mounted.
    #[serde(deserialize_with = "absolute")]
    pub mountpoint: Option<PathBuf>,
    /// Serve a vault that nobody signed.
    pub unsigned: Option<bool>,
    /// Serve the vault whose keys everybody knows.
    pub allow_snakeoil: Option<bool>,
    /// Go on where memory cannot be locked.
    pub allow_swappable: Option<bool>,
    /// Serve a state that has nothing for this machine.
    pub allow_empty: Option<bool>,
    /// How long requests wait for a new server.
    #[serde(deserialize_with = "duration")]
    pub resume_timeout: Option<Duration>,
    /// Whether opens are recorded.
    pub record: Option<Record>,
    /// Whether the last good vault is served at boot when the vault there is none.
    pub fallback: Option<bool>,
    /// The user that the server runs as.
    pub server_user: Option<String>,
    /// The units that a vault may have reloaded or restarted when a value changes.
    pub on_change_units: Option<Vec<String>>,
    /// The only vault to be served.
    pub vault_id: Option<VaultId>,
    /// The lowest serial to be served.
    pub min_serial: Option<u64>,
}

impl Configuration {
    /// Reads the file that was named, or else [`FILE`], if it is there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn find(named: Option<&Path>) -> Result<Self, ConfigurationError> {
        match (Self::read(named.unwrap_or(Path::new(FILE))), named) {
            (Err(ConfigurationError::Read { error, .. }), None)
                if error.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Self::default())
            }
            (read, _) => read,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigurationError`]: it cannot be read, or says what is not understood, and where.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigurationError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, name: &str) -> Result<Self, ConfigurationError> {
        let read: Self = toml::from_str(text)
            .map_err(|error| ConfigurationError::meaning(text, name, error.span(), error.message()))?;
        if read.unsigned == Some(true) && read.allowed_signers.is_some() {
            let what =
                "a vault is served by its signers or unsigned, expected `unsigned` or `allowed-signers`";
            let key = "unsigned";
            let mut found = text.match_indices(key).map(|(at, _)| at);
            let at = found.find(|at| text[..*at].ends_with('\n') || *at == 0).map(|at| at..at + key.len());
            return Err(ConfigurationError::meaning(text, name, at, what));
        }
        Ok(read)
    }

    /// These settings, taken from flags, with those of a `file` for what they leave open.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        // Whoever names signers wants a signature, and the other way round.
        let file_unsigned = file.unsigned.filter(|_| self.allowed_signers.is_none());
        let file_signers = file.allowed_signers.filter(|_| self.unsigned != Some(true));
        Self {
            vault: self.vault.or(file.vault),
            identity: self.identity.or(file.identity),
            allowed_signers: self.allowed_signers.or(file_signers),
            mountpoint: self.mountpoint.or(file.mountpoint),
            unsigned: self.unsigned.or(file_unsigned),
            allow_snakeoil: self.allow_snakeoil.or(file.allow_snakeoil),
            allow_swappable: self.allow_swappable.or(file.allow_swappable),
            allow_empty: self.allow_empty.or(file.allow_empty),
            resume_timeout: self.resume_timeout.or(file.resume_timeout),
            record: self.record.or(file.record),
            fallback: self.fallback.or(file.fallback),
            server_user: self.server_user.or(file.server_user),
            on_change_units: self.on_change_units.or(file.on_change_units),
            vault_id: self.vault_id.or(file.vault_id),
            min_serial: self.min_serial.or(file.min_serial),
        }
    }

    /// What holds for every state that is judged.
    #[must_use]
    pub fn configured(&self) -> Configured {
        Configured { vault_id: self.vault_id.clone(), min_serial: self.min_serial }
    }
}

/// Nobody knows which folder the program will be started in.
fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    PathBuf::deserialize(deserializer).and_then(checked).map(Some)
}

fn checked<E: serde::de::Error>(path: PathBuf) -> Result<PathBuf, E> {
    match path.is_absolute() {
        true => Ok(path),
        false => Err(E::custom("a relative path, expected one that begins with /")),
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "no path, expected one path or a list of them")]
    enum Paths {
        One(PathBuf),
        Several(Vec<PathBuf>),
    }
    let paths = match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::Several(paths) => paths,
    };
    if paths.is_empty() {
        return Err(D::Error::custom("an empty list, expected one path or a list of them"));
    }
    paths.into_iter().map(checked).collect::<Result<_, _>>().map(Some)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

/// Reads a span of time such as `10s`, for a flag too.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let span = humantime::parse_duration(text);
    span.ok().filter(|span| !span.is_zero()).ok_or("not a span of time, expected one such as 10s or 2m")
}

/// Why a configuration is of no use.
#[derive(Debug, Error, Diagnostic)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("cannot read the configuration, {}", .path.display())]
    #[diagnostic(help(
        "check the path, and that you may read it; without --config it is {FILE}, which may be missing"
    ))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It says something that is not understood.
    #[error("{message}")]
    Meaning {
        /// What is wrong.
        message: String,
        /// The file.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where it is wrong.
        #[label]
        place: Option<SourceSpan>,
        /// What to write instead.
        #[help]
        expected: String,
    },
}

impl ConfigurationError {
    /// The parser's message, with what it expected as the next step.
    fn meaning(text: &str, name: &str, place: Option<Range<usize>>, message: &str) -> Self {
        let (what, expected) = match message.split_once(", expected ") {
            Some((what, expected)) => (what, format!("expected {expected}")),
            None => (
                message.lines().next().unwrap_or_default(),
                "correct it, or leave it out for the default".to_owned(),
            ),
        };
        Self::Meaning {
            message: what.to_owned(),
            text: Arc::new(NamedSource::new(name, text.to_owned())),
            place: place.map(SourceSpan::from),
            expected,
        }
    }
}

#[cfg(test)]
mod tests;
