//! How far long work has come, told to whoever shows it.
//!
//! Work is begun deep down and shown by the program around it, so there is one [`Listener`] for the
//! process, as with a logger. Without one nothing is told.

use std::sync::OnceLock;

static LISTENER: OnceLock<Box<dyn Listener>> = OnceLock::new();

/// Shows work that takes its time. Works may overlap, on any threads.
pub trait Listener: Send + Sync {
    /// Some work begins, and ends when what is given back is dropped. `items` is how many steps it has,
    /// where that is known.
    fn begins(&self, what: &'static str, items: Option<usize>) -> Box<dyn Shown>;
}

/// Work that is shown until it is dropped.
pub trait Shown: Send + Sync {
    /// One more of its items is done.
    fn advances(&self);
}

/// Tells `listener` of all work from now on. Only the first one counts.
pub fn listen(listener: impl Listener + 'static) {
    let _ = LISTENER.set(Box::new(listener));
}

/// Work under way, until it is dropped. Nobody is asked anything and nothing is printed meanwhile: it
/// would mix with what is shown. Whoever must, such as a plugin that asks for a PIN, has to put that away.
pub struct Work(Option<Box<dyn Shown>>);

impl Work {
    /// Begins work on so many items. `what` is a word for it, such as "verifying".
    #[must_use]
    pub fn on(what: &'static str, items: usize) -> Self {
        Self(LISTENER.get().map(|listener| listener.begins(what, Some(items))))
    }

    /// Begins work of which nobody knows how long it takes.
    #[must_use]
    pub fn endless(what: &'static str) -> Self {
        Self(LISTENER.get().map(|listener| listener.begins(what, None)))
    }

    /// Says that one more item is done.
    pub fn advances(&self) {
        if let Some(shown) = &self.0 {
            shown.advances();
        }
    }
}
