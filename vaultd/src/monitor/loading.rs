//! open → verify → look up owners → decrypt: from the files of a vault to a generation, each step in a process
//! that has no more than it needs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use miette::Diagnostic;

use super::kept::{Kept, Object};
use super::settings::Settings;
use super::workers::Workers;
use crate::decryptor::{self, Report};
use crate::opener::{self, Opened};
use crate::process::{ChildError, Role, blob};
use crate::resolver;
use crate::snapshot;
use crate::state::{Facts, Refusal, StateError};
use crate::sys::memory::Locking;
use crate::sys::store::{Kind, Store};
use crate::verifier::{self, Findings};

/// A vault that was found to be sound: what tells it from others, and the very bytes that were verified.
#[derive(Debug)]
pub struct Examined {
    /// What the verifier found, as it was written down.
    findings: OwnedFd,
    plan: OwnedFd,
    /// The identities, or why they cannot be opened.
    identities: Result<Vec<OwnedFd>, String>,
    /// The vault's files.
    pub snapshot: OwnedFd,
    /// Whether the snapshot has all files, and not only those that were not known.
    pub is_whole: bool,
    /// What tells this state from others; nothing of a vault that nobody signed.
    pub facts: Option<Facts>,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
}

/// Why a vault is not served.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// It may not follow what was accepted last.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Refused(#[from] Refusal),
    /// What was accepted last is not known, or what is accepted now cannot be remembered.
    #[error(transparent)]
    #[diagnostic(transparent)]
    State(#[from] StateError),
    /// One of the processes that load it says no.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Child(#[from] ChildError),
    /// Too much is open still of earlier states.
    #[error("too many files of earlier states are still open")]
    #[diagnostic(help("see who has them open: fuser -vm MOUNTPOINT; end or restart these programs"))]
    Full,
    /// One of them answered what it should not.
    #[error("cannot use what was loaded")]
    #[diagnostic(help("try again; if it stays so, report it: that is a fault of vaultd"))]
    Answer(#[from] io::Error),
}

/// Has a vault verified that lies in its folder. What was not changed since the generation `before` is not read.
///
/// # Errors
/// [`LoadError`], with every problem that was found.
pub fn examine(settings: &Settings, workers: &Workers, before: Option<&Kept>) -> Result<Examined, LoadError> {
    let mut inputs = open(settings, workers, verifier::Source::Folder)?;
    let vault = inputs.vault.take().ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?;
    ask_verifier(settings, workers, verifier::Source::Folder, &vault, inputs, before)
}

/// Has the copy verified that was kept of a vault when it was accepted.
///
/// # Errors
/// As [`examine`].
pub fn examine_kept(
    settings: &Settings,
    workers: &Workers,
    copy: File,
    length: Option<u64>,
) -> Result<Examined, LoadError> {
    let source = verifier::Source::Kept { length };
    let inputs = open(settings, workers, source)?;
    ask_verifier(settings, workers, source, &copy.into(), inputs, None)
}

/// What lies where the settings say.
struct Inputs {
    vault: Option<OwnedFd>,
    signers: Option<OwnedFd>,
    identities: Result<Vec<OwnedFd>, String>,
}

/// Has opened what lies where the settings say; of a kept vault all but its folder.
fn open(settings: &Settings, workers: &Workers, source: verifier::Source) -> Result<Inputs, LoadError> {
    let order = opener::Order {
        vault: (source == verifier::Source::Folder).then(|| settings.vault.clone()),
        signers: (!settings.unsigned).then(|| settings.allowed_signers.clone()),
        identities: settings.identities.clone(),
    };
    let take = |Opened { without_identities }, received: Vec<OwnedFd>| {
        let mut received = received.into_iter();
        let mut next = |path: &Option<_>| match path {
            Some(_) => received.next().map(Some).ok_or(io::Error::from(io::ErrorKind::InvalidData)),
            None => Ok(None),
        };
        let (vault, signers) = (next(&order.vault)?, next(&order.signers)?);
        let identities: Vec<OwnedFd> = received.collect();
        match without_identities {
            Some(why) => Ok(Inputs { vault, signers, identities: Err(why) }),
            None if identities.len() == order.identities.len() => {
                Ok(Inputs { vault, signers, identities: Ok(identities) })
            }
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    Ok(workers.ask(Role::Opener, &order, &[], take)?)
}

fn ask_verifier(
    settings: &Settings,
    workers: &Workers,
    source: verifier::Source,
    vault: &OwnedFd,
    Inputs { signers, identities, .. }: Inputs,
    before: Option<&Kept>,
) -> Result<Examined, LoadError> {
    // Nothing is known of files that nobody signed.
    let before = before.filter(|_| !settings.unsigned);
    let order = verifier::Order {
        station: settings.station()?,
        vault: settings.vault.clone(),
        source,
        signers: settings.allowed_signers.clone(),
        unsigned: settings.unsigned,
        allow_snakeoil: settings.allow_snakeoil,
        knows: before.is_some(),
    };
    let mut descriptors = vec![vault.as_fd()];
    descriptors.extend(signers.as_ref().map(AsFd::as_fd));
    descriptors.extend(before.map(|before| before.plan.as_fd()));
    let [findings, plan, snapshot] =
        workers.ask(Role::Verifier, &order, &descriptors, |(), received| exactly(received))?;
    // What was verified is what is decrypted, and kept.
    let (snapshot, plan) = (sealed(snapshot)?, sealed(plan)?);
    let Findings { facts, warnings, is_whole, .. } = blob::read(&findings)?;
    Ok(Examined { findings, plan, identities, snapshot, is_whole, facts, warnings })
}

/// Has a vault that was verified decrypted into a generation, taking from the one before what is in both. Nothing if
/// the one before lacks something that was not read again: these are not the identities that opened it.
///
/// # Errors
/// [`LoadError`], with every problem that was found.
pub fn decrypt(
    settings: &Settings,
    workers: &Workers,
    store: &Store,
    examined: &Examined,
    number: u64,
    before: Option<&Kept>,
) -> Result<Option<(Kept, Report)>, LoadError> {
    let station = settings.station()?;
    let findings = [examined.findings.as_fd()];
    // What runs keeps its owners rather than lose them.
    let task = resolver::Task::Owners { must_answer: before.is_some() };
    let names = resolver::Order { station, task };
    let [owners] = workers.ask(Role::Resolver, &names, &findings, |(), owners| exactly(owners))?;
    let identities = examined.identities.as_ref().map_err(|why| ChildError::Refused(why.clone()))?;
    let order = decryptor::Order {
        station: settings.decryptor(),
        vault: settings.vault.clone(),
        has_store: store.root().is_some(),
        identities: settings.identities.clone(),
        before: before.map(|before| before.objects.len()),
        allow_snakeoil: settings.allow_snakeoil,
        allow_empty: settings.allow_empty,
        record: settings.record,
    };
    let mut descriptors = vec![examined.plan.as_fd(), examined.snapshot.as_fd(), owners.as_fd()];
    descriptors.extend(store.root());
    descriptors.extend(identities.iter().map(AsFd::as_fd));
    descriptors.extend(before.into_iter().flat_map(Kept::descriptors));
    let take = |done: decryptor::Done, received| match done {
        decryptor::Done::Incomplete => Ok(None),
        decryptor::Done::Generation { objects } => {
            let take_over = |object| take_over(object, store.kind(), settings.locking);
            let plan = examined.plan.try_clone()?;
            keep(number, plan, &objects, received, before, take_over).map(Some)
        }
    };
    Ok(workers.ask(Role::Decryptor, &order, &descriptors, take)?)
}

/// Takes over what the decryptor made.
fn keep(
    number: u64,
    plan: OwnedFd,
    objects: &[Option<usize>],
    received: Vec<OwnedFd>,
    before: Option<&Kept>,
    take_over: impl Fn(OwnedFd) -> io::Result<Object>,
) -> io::Result<(Kept, Report)> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut received = received.into_iter();
    let mut next = || received.next().ok_or_else(invalid);
    let (index, report) = (sealed(next()?)?, blob::read(&next()?)?);
    let owners = sealed(next()?)?;
    let object = |place: &Option<usize>| match place {
        None => take_over(next()?).map(Arc::new),
        Some(place) => before.and_then(|before| before.objects.get(*place)).cloned().ok_or_else(invalid),
    };
    let objects = objects.iter().map(object).collect::<io::Result<_>>()?;
    Ok((Kept { number, index, plan, owners, objects }, report))
}

/// A memory object that nobody can change any more.
pub(super) fn sealed(object: OwnedFd) -> io::Result<OwnedFd> {
    match snapshot::is_sealed(&object)? {
        true => Ok(object),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Takes over an object of a store, while the decryptor still is there.
fn take_over(object: OwnedFd, kind: Kind, locking: Locking) -> io::Result<Object> {
    let object = Object::take_over(object)?;
    match kind {
        Kind::NoSwap => Ok(object),
        Kind::Locked => object.locked(locking).map_err(io::Error::other),
    }
}

/// As many descriptors as were expected.
pub(super) fn exactly<const N: usize>(descriptors: Vec<OwnedFd>) -> io::Result<[OwnedFd; N]> {
    descriptors.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}
