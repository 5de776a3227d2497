//! The processes of one mount, and how they speak with each other.
//!
//! Each child is our own program started anew: it inherits no memory, no environment and no descriptor but
//! a socket as its standard input. What it may touch arrives there, as descriptors beside small messages.

pub mod blob;
pub mod channel;
mod child;
mod last_words;
mod station;

use serde::{Deserialize, Serialize};

pub use self::child::{Child, ChildError, leave_terminal, refusal};
pub use self::station::Station;
pub use crate::sys::confine::Role;

/// What a short-lived child answers, at its end.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<T> {
    /// It is about to fill the object that comes along with plaintext, and answers later.
    Filling,
    /// It did what it was asked.
    Done(T),
    /// It refused or failed, and this says why, as people read it.
    Failed(String),
}
