//! How a mount goes, as `vaultd status` shows it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Monitor;
use super::kept::Kept;
use crate::resolver::Unresolved;
use crate::server::Agreement;
use crate::sys::store::Kind;

/// How a mount goes. New fields may come; those that are there keep their meaning.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Where it is.
    pub mountpoint: PathBuf,
    /// The vault that is served.
    pub vault: PathBuf,
    /// Which generation of this mount is served, from 1.
    pub generation: u64,
    /// The vault's serial, if it is a signed one.
    pub serial: Option<u64>,
    /// Who signed it.
    pub signer: Option<String>,
    /// Whether nobody did.
    pub unsigned: bool,
    /// Whether it is the last known-good state, since the vault's present one was refused.
    pub fallback: bool,
    /// Why the vault's state was refused when it was last looked at; nothing if it was not.
    pub problem: Option<String>,
    /// How many files are served.
    pub secrets: usize,
    /// The users and groups that files are to belong to and that are not there: what is theirs is left to root.
    #[serde(default)]
    pub unresolved: Unresolved,
    /// What is to be changed, or ends, within 30 days.
    pub due: Vec<String>,
    /// When the first secret or certificate of the vault ends, as in `2026-11-22T13:51:00Z`.
    pub expires: Option<String>,
    /// How many files were opened since the mount was made.
    pub opens: u64,
    /// How many opens `vaultd` denied. The kernel denies by owner, group and mode without asking, which nobody
    /// counts.
    pub denied: u64,
    /// The process that looks after the mount.
    pub monitor: MonitorStatus,
    /// The process that answers.
    pub server: ServerStatus,
    /// What the kernel does for us.
    pub features: Features,
}

/// The monitor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MonitorStatus {
    /// Its process number.
    pub pid: u32,
}

/// The server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its process number; nothing while none is there.
    pub pid: Option<u32>,
    /// How many died and were followed by another one.
    pub restarts: u64,
}

/// What the kernel does for us.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Features {
    /// Large files are read without asking the server.
    pub passthrough: bool,
    /// Requests survive a killed server.
    pub resend: bool,
    /// Plaintext lies on a file system that is never swapped.
    pub noswap: bool,
    /// The mount outlives this monitor: the service manager keeps what the next one needs.
    #[serde(default)]
    pub handover: bool,
}

impl Monitor {
    /// How it goes, in one line for the service manager.
    pub(super) fn summary(&self) -> String {
        let state = self.state();
        let what = match &state.facts {
            Some(facts) => format!("serial {}, signed by {}", facts.serial, facts.principal),
            None => "UNSIGNED".to_owned(),
        };
        let refused = match (&state.problem, state.fallback) {
            (None, _) => "",
            (Some(_), true) => "; FALLBACK: the vault's present state is refused",
            (Some(_), false) => "; the vault's present state is refused",
        };
        let unresolved = match state.unresolved.is_empty() {
            true => String::new(),
            false => format!("; there is no {}", state.unresolved),
        };
        format!("{} files, {what}{unresolved}{refused}", state.files)
    }

    /// How it goes, without asking anybody.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state();
        let settings = self.loader.settings();
        let Agreement { passthrough, resend } = state.agreement;
        let counts = state.connection.as_ref().map(|connection| connection.counts()).unwrap_or_default();
        let passthrough = passthrough && !state.generations.iter().any(Kept::is_refused);
        Status {
            mountpoint: self.mount_point.path().to_owned(),
            vault: settings.vault.clone(),
            generation: state.generations.last().map_or(0, |kept| kept.number),
            serial: state.facts.as_ref().map(|facts| facts.serial),
            signer: state.facts.as_ref().map(|facts| facts.principal.clone()),
            unsigned: settings.unsigned,
            fallback: state.fallback,
            problem: state.problem.clone(),
            secrets: state.files,
            unresolved: state.unresolved.clone(),
            due: state.facts.as_ref().map(|facts| facts.due.clone()).unwrap_or_default(),
            expires: state.facts.as_ref().and_then(|facts| facts.expires.clone()),
            opens: counts.allowed,
            denied: counts.denied,
            monitor: MonitorStatus { pid: std::process::id() },
            server: ServerStatus {
                pid: state.server.as_ref().map(|server| server.pid),
                restarts: state.restarts,
            },
            features: Features {
                passthrough,
                resend,
                noswap: self.loader.store().kind() == Kind::NoSwap,
                handover: self.parking.is_complete(),
            },
        }
    }
}
