//! Remembering a state as the one accepted last, with a copy of its files.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::{MutexGuard, PoisonError};

use vault_format::Timestamp;

use super::copy::Copied;
use super::replace::replace;
use super::{ACCEPTED, Accepted, Facts, GOOD, MODE, StateError, StateFolder, Verdict, WAIVER};
use crate::snapshot;

impl StateFolder {
    /// Remembers a judged state as the one accepted last, with its `snapshot` as the copy to fall back
    /// to, and a waiver that it needed as used up. Whoever judged it must hold the [`lock`](Self::lock) since.
    ///
    /// # Errors
    /// [`StateError::Write`]: then what was accepted before still counts.
    pub fn accept(
        &self,
        facts: &Facts,
        verdict: &Verdict,
        snapshot: impl AsFd,
    ) -> Result<Accepted, StateError> {
        // The copy first: a machine that stops in between can still fall back to it, since it follows
        // what was accepted before. The other way round it would have to refuse its only copy.
        self.accept_by(facts, verdict, |_| {
            let path = self.folder.join(GOOD);
            replace(&path, MODE, |file| snapshot::copy(&snapshot, file))?;
            Copied::whole(&path)
        })
    }

    /// Whether the copy can be grown by what is new in a state that follows the one accepted last.
    #[must_use]
    pub fn can_grow(&self) -> bool {
        self.copied().is_some_and(|copied| copied.can_grow(&self.folder.join(GOOD)))
    }

    /// As [`Self::accept`], of a state of which the snapshot has only what the one before had not. Where it is the
    /// one before, nothing is written.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn accept_grown(
        &self,
        facts: &Facts,
        verdict: &Verdict,
        snapshot: impl AsFd,
    ) -> Result<Accepted, StateError> {
        if let Some(before) =
            self.accepted()?.filter(|before| *verdict == Verdict::Same && before.is_of(facts))
        {
            return Ok(before);
        }
        self.accept_by(facts, verdict, |copied| {
            copied
                .ok_or(io::Error::from(io::ErrorKind::InvalidInput))?
                .grow(&self.folder.join(GOOD), snapshot)
        })
    }

    fn accept_by(
        &self,
        facts: &Facts,
        verdict: &Verdict,
        copy: impl FnOnce(Option<Copied>) -> io::Result<Copied>,
    ) -> Result<Accepted, StateError> {
        let before = self.accepted()?;
        let waiver = match verdict {
            Verdict::Waived(waiver) => Some(waiver.clone()),
            _ => before.and_then(|before| before.waiver),
        };
        // Whatever fails from now on, the next copy is a whole one.
        let copied = self.copied().take();
        let copied =
            copy(copied).map_err(|error| StateError::Write { path: self.folder.join(GOOD), error })?;
        let accepted = Accepted {
            mountpoint: self.mount_point.to_string_lossy().into_owned(),
            vault_id: facts.vault_id.clone(),
            serial: facts.serial,
            lock_sha256: facts.lock_sha256,
            signer: facts.signer.clone(),
            principal: facts.principal.clone(),
            at: Timestamp::now(),
            waiver,
            copy_bytes: Some(copied.length),
        };
        self.write_json(ACCEPTED, &accepted)?;
        *self.copied() = Some(copied);
        if matches!(verdict, Verdict::Waived(_)) {
            // It counts as used up whether its file is still there or not.
            let _ = fs::remove_file(self.folder.join(WAIVER));
        }
        Ok(accepted)
    }

    fn copied(&self) -> MutexGuard<'_, Option<Copied>> {
        self.copied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
