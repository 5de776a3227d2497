//! The verifier: reads a vault once and finds out whether it may be served. It has no identity, and sees no
//! plaintext; what it passes on are the very bytes that it verified.

mod error;
mod known;
mod plan;
mod unsigned;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vault_format::lock::LockedSecret;
use vault_format::signature::SignatureError;
use vault_format::signers::AllowedSigners;
use vault_format::verify::{Problem, Unsound, verify_unless_known};
use vault_format::{SecretName, VaultFiles, VaultFolder, Verified};

pub use self::error::VerifyError;
use self::known::Known;
pub use self::plan::{Origin, Plan, PlannedFile};
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob, refusal};
use crate::resolver::Name;
use crate::signers;
use crate::snapshot::{Recorder, Snapshot};
use crate::state::Facts;

/// Most bytes of a list of signers.
const MAX_SIGNERS: u64 = 1 << 24;

/// What the verifier is asked. Beside it come the vault, opened, the signers' file unless `unsigned`, and the plan of
/// the state that is served now if it `knows` that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Where the verifier stands.
    pub station: Station,
    /// Where the vault is, for messages.
    pub vault: PathBuf,
    /// What the vault is read from.
    pub source: Source,
    /// Where the signers are, for messages.
    pub signers: PathBuf,
    /// Whether a vault that nobody signed is meant.
    pub unsigned: bool,
    /// Whether the vault that everybody can read may be served.
    pub allow_snakeoil: bool,
    /// Whether what was not changed since the state that is served now need not be read again.
    pub knows: bool,
}

/// What a vault is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Its folder.
    Folder,
    /// What was kept of it when it was last accepted.
    Kept {
        /// How much of that belongs to what was accepted; nothing for all.
        length: Option<u64>,
    },
}

/// What the verifier found, for whoever need not know each file. Beside it come the plan and the snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct Findings {
    /// What tells this state from others; nothing of a vault that nobody signed.
    pub facts: Option<Facts>,
    /// The users and groups that files are to belong to.
    pub names: BTreeSet<Name>,
    /// Whether the snapshot has all files, and not only those that were not known.
    pub is_whole: bool,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
}

/// All that is found out about a vault.
struct Examined {
    findings: Findings,
    plan: Plan,
    snapshot: Snapshot,
}

/// Does what the verifier was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, descriptors)) = channel.receive::<Order>()? else { return Ok(()) };
    let found = examine(&order, descriptors).and_then(|Examined { findings, plan, snapshot }| {
        Ok((blob::write("findings", &findings)?, blob::write("plan", &plan)?, snapshot))
    });
    match found {
        Ok((findings, plan, snapshot)) => {
            channel.send(&Answer::Done(()), &[findings.as_fd(), plan.as_fd(), snapshot.as_fd()])
        }
        Err(error) => channel.send(&refusal::<()>(&error), &[]),
    }
}

/// Everything about the vault that can be told without an identity.
fn examine(order: &Order, descriptors: Vec<OwnedFd>) -> Result<Examined, VerifyError> {
    let mut descriptors = descriptors.into_iter();
    let vault = descriptors.next().ok_or(io::Error::from(io::ErrorKind::InvalidData))?;
    order.station.take(Role::Verifier, Some(&vault), None::<&OwnedFd>)?;
    let files: Box<dyn VaultFiles> = match order.source {
        Source::Folder => Box::new(VaultFolder::opened(vault, &order.vault)),
        Source::Kept { length } => Box::new(Snapshot::from_file_up_to(File::from(vault), length)?),
    };
    let recorder = Recorder::new(&*files)?;
    if order.unsigned {
        return unsigned::examine(order, recorder);
    }
    let trusted = trusted_signers(order, descriptors.next())?;
    let plan: Option<Plan> = match order.knows {
        true => Some(blob::read(&descriptors.next().ok_or(io::Error::from(io::ErrorKind::InvalidData))?)?),
        false => None,
    };
    // The end of this process gives their memory back at once, and it is near.
    let plan = ManuallyDrop::new(plan);
    let known = Known::of(plan.as_ref());
    let vault = ManuallyDrop::new(verified(order, &recorder, &trusted, &known)?);
    let snapshot = match known.is_nothing() {
        true => recorder.finish()?,
        false => recorder.finish_without(&known.removed(&vault))?,
    };
    let (plan, facts) = rayon::join(|| Plan::of(&vault, &snapshot, &known), || Facts::of(&vault));
    let findings = Findings {
        facts: Some(facts),
        names: plan.names(),
        is_whole: known.is_nothing(),
        warnings: vault.warnings().iter().map(ToString::to_string).collect(),
    };
    Ok(Examined { findings, plan, snapshot })
}

fn trusted_signers(order: &Order, file: Option<OwnedFd>) -> Result<AllowedSigners, VerifyError> {
    let path = || order.signers.clone();
    let mut text = String::new();
    let file = file.ok_or(io::Error::from(io::ErrorKind::NotFound));
    file.and_then(|file| plain(file.into())?.take(MAX_SIGNERS).read_to_string(&mut text))
        .map_err(|error| VerifyError::ReadSigners { path: path(), error })?;
    let signers = AllowedSigners::parse(&text);
    signers.map(signers::trusted).map_err(|error| VerifyError::Signers { path: path(), error })
}

/// A file that ends, unlike a device.
fn plain(file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    match metadata.is_file() && metadata.len() < MAX_SIGNERS {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file of less than 16 MiB")),
    }
}

fn verified(
    order: &Order,
    recorder: &Recorder<'_>,
    trusted: &AllowedSigners,
    known: &Known<'_>,
) -> Result<Verified, VerifyError> {
    let verify = || {
        let known = |name: &SecretName, secret: &LockedSecret| known.has(recorder, name, secret);
        verify_unless_known(recorder, trusted, |_, _| false, &known)
    };
    if order.allow_snakeoil {
        return Ok(verify()?);
    }
    snakeoil::refuse_signers(trusted)?;
    let vault = match verify() {
        Err(unsound) if is_signed_by_snakeoil(&unsound) => {
            return Err(snakeoil::SnakeOil::by_its_signer().into());
        }
        other => other?,
    };
    snakeoil::refuse_vault(vault.lock())?;
    Ok(vault)
}

/// Whether the only thing known of a vault is that the snake-oil signer signed it.
fn is_signed_by_snakeoil(unsound: &Unsound) -> bool {
    unsound.problems().iter().any(|problem| match problem {
        Problem::Signature(SignatureError::Untrusted(fingerprint)) => snakeoil::is_signer(fingerprint),
        _ => false,
    })
}
