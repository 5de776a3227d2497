//! Whether a verified state may follow the one that this machine accepted last. No file is read here.

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vault_format::Digest;
use vault_format::lock::{MAX_ANCESTORS, VaultId};

use super::{Accepted, Facts, Waiver};
use crate::state::waiver::Exception;

/// What the configuration of this machine demands of every state, the first one too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Configured {
    /// The only vault to be served.
    pub vault_id: Option<VaultId>,
    /// The lowest serial.
    pub min_serial: Option<u64>,
}

/// Why a state may be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was accepted here before.
    First,
    /// It is what was accepted last.
    Same,
    /// It descends from what was accepted last.
    Newer,
    /// Somebody let it in, this once: the waiver is used up by accepting the state.
    Waived(Waiver),
}

/// Judges a state by what was `accepted` last at this mount point. What is `configured` holds always; a
/// `waiver` lets one state in that should otherwise not follow, unless an earlier one used it up.
///
/// # Errors
/// [`Refusal`]: the state may not be served.
pub fn judge(
    accepted: Option<&Accepted>,
    configured: &Configured,
    waiver: Option<&Waiver>,
    facts: &Facts,
) -> Result<Verdict, Refusal> {
    configured.allows(facts)?;
    let Some(last) = accepted else { return Ok(Verdict::First) };
    let refusal = match follows(last, facts) {
        Ok(verdict) => return Ok(verdict),
        Err(refusal) => refusal,
    };
    let unused = waiver.filter(|waiver| last.waiver.as_ref() != Some(waiver));
    match unused.filter(|waiver| refusal.is_waived_by(waiver.exception)) {
        Some(waiver) => Ok(Verdict::Waived(waiver.clone())),
        None => Err(refusal),
    }
}

impl Configured {
    fn allows(&self, facts: &Facts) -> Result<(), Refusal> {
        if let Some(expected) = self.vault_id.as_ref().filter(|id| **id != facts.vault_id) {
            let (expected, found) = (expected.clone(), facts.vault_id.clone());
            return Err(Refusal::NotConfigured { expected, found });
        }
        match self.min_serial {
            Some(least) if facts.serial < least => Err(Refusal::BelowLeast { found: facts.serial, least }),
            _ => Ok(()),
        }
    }
}

fn follows(last: &Accepted, facts: &Facts) -> Result<Verdict, Refusal> {
    let (found, accepted) = (facts.serial, last.serial);
    if facts.vault_id != last.vault_id {
        return Err(Refusal::OtherVault { found: facts.vault_id.clone(), accepted: last.vault_id.clone() });
    }
    if facts.lock_sha256 == last.lock_sha256 {
        return Ok(Verdict::Same);
    }
    if found < accepted {
        return Err(Refusal::Older { found, accepted });
    }
    if found == accepted {
        return Err(Refusal::Fork { serial: found, found: facts.lock_sha256, accepted: last.lock_sha256 });
    }
    if facts.ancestors.contains(&last.lock_sha256) {
        return Ok(Verdict::Newer);
    }
    // A full list has lost the oldest, so it proves neither that this is another branch nor that it is none.
    match facts.ancestors.len() < MAX_ANCESTORS {
        true => Err(Refusal::Branch { found, accepted }),
        false => Err(Refusal::TooFar { found, accepted }),
    }
}

/// Why a state is not accepted. What was accepted last stays.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum Refusal {
    /// Not the vault that the configuration names.
    #[error("this is vault {found}, and vaultd.toml allows only vault {expected}")]
    #[diagnostic(help(
        "somebody put another vault in its place; if you did, change vault-id in vaultd.toml to it"
    ))]
    NotConfigured {
        /// What the configuration names.
        expected: VaultId,
        /// What is there.
        found: VaultId,
    },
    /// Older than the configuration allows.
    #[error("the vault has serial {found}, and vaultd.toml allows none below {least}")]
    #[diagnostic(help(
        "fetch the newest state of the vault; only if you want the older one, lower min-serial in vaultd.toml"
    ))]
    BelowLeast {
        /// Its serial.
        found: u64,
        /// The lowest that may be.
        least: u64,
    },
    /// Another vault than before.
    #[error("this is vault {found}, and this machine served vault {accepted} here so far")]
    #[diagnostic(help(
        "somebody put another vault in its place; if you did, let it in once: vaultd accept --new-history"
    ))]
    OtherVault {
        /// What is there.
        found: VaultId,
        /// What was accepted last.
        accepted: VaultId,
    },
    /// Rolled back.
    #[error("the vault is older than what this machine accepted last: serial {found} after {accepted}")]
    #[diagnostic(help(
        "fetch the newest state, or bring the old one back as a new one with `vaultgen revert`; to let just this one in once: vaultd accept --serial {found}"
    ))]
    Older {
        /// Its serial.
        found: u64,
        /// The last accepted.
        accepted: u64,
    },
    /// Two states with one serial.
    #[error(
        "the vault forked: serial {serial} has the digest {found} now, and {accepted} when this machine accepted it"
    )]
    #[diagnostic(help(
        "two people changed the vault side by side: join both with `vaultgen merge`; to leave the accepted one behind: vaultd accept --new-history"
    ))]
    Fork {
        /// The serial of both.
        serial: u64,
        /// The digest of what is there.
        found: Digest,
        /// The digest of what was accepted last.
        accepted: Digest,
    },
    /// On another branch.
    #[error(
        "the vault (serial {found}) does not descend from what this machine accepted last (serial {accepted})"
    )]
    #[diagnostic(help(
        "it is on another branch: join both with `vaultgen merge`; to leave the accepted one behind: vaultd accept --new-history"
    ))]
    Branch {
        /// Its serial.
        found: u64,
        /// The last accepted.
        accepted: u64,
    },
    /// The lock no longer names that many states back.
    #[error(
        "the vault (serial {found}) names its last {MAX_ANCESTORS} ancestors, and what this machine accepted last (serial {accepted}) is not among them"
    )]
    #[diagnostic(help(
        "check out a state in between and reload, then this one; if its signer is gone meanwhile, compare the vault with its owner's and let it in once: vaultd accept --new-history"
    ))]
    TooFar {
        /// Its serial.
        found: u64,
        /// The last accepted.
        accepted: u64,
    },
}

impl Refusal {
    /// What the configuration demands, nobody waives; an older state is let in by its serial alone.
    fn is_waived_by(&self, exception: Exception) -> bool {
        match (self, exception) {
            (Self::Older { found, .. }, Exception::Serial(serial)) => *found == serial,
            (
                Self::OtherVault { .. } | Self::Fork { .. } | Self::Branch { .. } | Self::TooFar { .. },
                Exception::NewHistory,
            ) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
