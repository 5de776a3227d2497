//! All or nothing: a state of the vault is verified, judged by what this machine accepted before, decrypted, and
//! only then accepted. At the start, where the vault's present state is refused, the one accepted last serves.

use std::io;

use vault_format::report;

use super::kept::Kept;
use super::loading::{self, Examined, LoadError};
use super::settings::Settings;
use super::workers::Workers;
use crate::decryptor::Report;
use crate::state::{Facts, StateError, StateFolder, Verdict, judge};
use crate::sys::store::Store;

/// A state of the vault that is ready to be served.
#[derive(Debug)]
pub struct Loaded {
    /// What tells it from others; nothing of a vault that nobody signed.
    pub facts: Option<Facts>,
    /// Its files.
    pub generation: Kept,
    /// What there is to say about it.
    pub report: Report,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
    /// Why the vault's present state is not served, where this is the one accepted last.
    pub problem: Option<String>,
}

/// Loads states of one vault for one mount.
#[derive(Debug)]
pub struct Loader {
    settings: Settings,
    store: Store,
    workers: Workers,
    /// What was accepted; nothing where nobody signs what is served.
    state: Option<StateFolder>,
}

impl Loader {
    /// Prepares to load.
    ///
    /// # Errors
    /// [`LoadError::State`]: it cannot be read what was accepted.
    pub fn new(settings: Settings, store: Store) -> Result<Self, LoadError> {
        let state = match settings.unsigned {
            true => None,
            false => Some(StateFolder::open(&settings.state, &settings.mount_point)?),
        };
        Ok(Self { settings, store, workers: Workers::default(), state })
    }

    /// What is loaded, and how.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the plaintext lies.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Loads the first generation of a mount and remembers it as accepted; or, where the vault's present state is
    /// refused, the one that was accepted last.
    ///
    /// # Errors
    /// [`LoadError`] of the present state.
    pub fn first(&self) -> Result<Loaded, LoadError> {
        let refused = match self.present(1, None, Intent::Serve) {
            Ok(loaded) => return Ok(loaded),
            Err(error) => error,
        };
        match self.accepted_last() {
            Ok(Some(loaded)) => Ok(Loaded { problem: Some(report::render(&refused)), ..loaded }),
            Ok(None) => Err(refused),
            Err(error) => {
                let why = Some(report::render(&error)).filter(|why| *why != report::render(&refused));
                let why = why.map_or_else(|| "for the same reason".to_owned(), |why| format!("\n{why}"));
                eprintln!("note: nor can the state be served that was accepted last: {why}");
                Err(refused)
            }
        }
    }

    /// Verifies, judges and decrypts the present state, taking from the generation `before` what is in both.
    ///
    /// # Errors
    /// [`LoadError`]: nothing of it may be served.
    pub fn present(&self, number: u64, before: Option<&Kept>, intent: Intent) -> Result<Loaded, LoadError> {
        let known = before.filter(|_| self.state.as_ref().is_none_or(StateFolder::can_grow));
        let examined = loading::examine(&self.settings, &self.workers, known)?;
        if let Some(loaded) = self.accept(examined, number, before, intent)? {
            return Ok(loaded);
        }
        let examined = loading::examine(&self.settings, &self.workers, None)?;
        self.accept(examined, number, before, intent)?.ok_or_else(incomplete)
    }

    /// Judges, decrypts and remembers what was examined; nothing if more of it has to be read.
    fn accept(
        &self,
        examined: Examined,
        number: u64,
        before: Option<&Kept>,
        intent: Intent,
    ) -> Result<Option<Loaded>, LoadError> {
        let signed = self.state.as_ref().zip(examined.facts.as_ref());
        // Better told now than when everything is decrypted.
        signed.map(|(state, facts)| self.judge(state, facts)).transpose()?;
        let decrypted =
            loading::decrypt(&self.settings, &self.workers, &self.store, &examined, number, before)?;
        let Some((generation, report)) = decrypted else { return Ok(None) };
        let mut warnings = [examined.warnings.clone(), report.warnings.clone()].concat();
        if let Some((state, facts)) = signed.filter(|_| intent == Intent::Serve) {
            // Meanwhile another monitor may have accepted something for this mount point.
            let _lock = state.lock()?;
            warnings.extend(remember(state, facts, &self.judge(state, facts)?, &examined)?);
        }
        Ok(Some(Loaded { facts: examined.facts, generation, report, warnings, problem: None }))
    }

    fn judge(&self, state: &StateFolder, facts: &Facts) -> Result<Verdict, LoadError> {
        let (accepted, waiver) = (state.accepted()?, state.waiver()?);
        Ok(judge(accepted.as_ref(), &self.settings.configured, waiver.as_ref(), facts)?)
    }

    /// The state that was accepted last, if there is one: verified against today's signers, and never an older
    /// one.
    fn accepted_last(&self) -> Result<Option<Loaded>, LoadError> {
        let Some(state) = self.state.as_ref().filter(|_| self.settings.fallback) else { return Ok(None) };
        let Some(copy) = state.good()? else { return Ok(None) };
        let length = state.accepted()?.and_then(|accepted| accepted.copy_bytes);
        let examined = loading::examine_kept(&self.settings, &self.workers, copy, length)?;
        self.accept(examined, 1, None, Intent::Serve)
    }

    /// Loads nothing any more, nor waits for what is being loaded.
    pub fn stop(&self) {
        self.workers.stop();
    }
}

/// The decryptor lacks what it was given all of.
fn incomplete() -> LoadError {
    io::Error::from(io::ErrorKind::InvalidData).into()
}

/// Remembers a state as the one accepted last. Where it was that already, a full disk is no reason to serve
/// nothing: then this is a warning.
fn remember(
    state: &StateFolder,
    facts: &Facts,
    verdict: &Verdict,
    examined: &Examined,
) -> Result<Option<String>, StateError> {
    let accepted = match examined.is_whole {
        true => state.accept(facts, verdict, &examined.snapshot),
        false => state.accept_grown(facts, verdict, &examined.snapshot),
    };
    match accepted {
        Err(error @ StateError::Write { .. }) if *verdict == Verdict::Same => {
            Ok(Some(report::render(&error).trim_start_matches("error: ").to_owned()))
        }
        accepted => accepted.map(|_| None),
    }
}

/// What a state is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To be served, and so to be remembered as accepted.
    Serve,
    /// Only to see whether it could be.
    Look,
}
