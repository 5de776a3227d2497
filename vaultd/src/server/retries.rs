//! Opens that the kernel tries once more.
//!
//! Whoever opens a file while another generation takes over may come with the number that its name had before. The
//! answer is ESTALE: the kernel then looks the name up again and tries once more, but not twice (open(2) would fail
//! with ESTALE). So the next generation waits until that second try was answered.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a switch waits at most. A second try needs as long as two look-ups; if it never comes, since the file is
/// gone or is nobody's to open any more, a switch is late by this, and only one that follows another so soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// The threads that were told to try again, by their numbers, with when they were.
#[derive(Debug, Default)]
pub struct Retries {
    waiting: Mutex<HashMap<u32, Instant>>,
    done: Condvar,
}

impl Retries {
    /// A thread is answered that what it wants to open is superseded. Its second such answer in a row is the last.
    pub fn refused(&self, thread: u32) {
        let mut waiting = self.waiting();
        if waiting.remove(&thread).is_none() {
            waiting.insert(thread, Instant::now());
        }
        self.done.notify_all();
    }

    /// A thread has opened what it wanted.
    pub fn opened(&self, thread: u32) {
        if self.waiting().remove(&thread).is_some() {
            self.done.notify_all();
        }
    }

    /// Whether a switch that is wanted since `start` may be: everybody who was told to try again has done so, or
    /// has had the time.
    pub fn are_done(&self, start: Instant) -> bool {
        start.elapsed() >= PATIENCE || !is_any_left(&mut self.waiting())
    }

    /// Waits until a switch that is wanted since `start` may be.
    pub fn wait(&self, start: Instant) {
        let left = PATIENCE.saturating_sub(start.elapsed());
        drop(self.done.wait_timeout_while(self.waiting(), left, is_any_left));
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_any_left(waiting: &mut HashMap<u32, Instant>) -> bool {
    waiting.retain(|_, since| since.elapsed() < PATIENCE);
    !waiting.is_empty()
}
