//! Putting things right before a signal ends the program.

use std::{
    ffi::c_int,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    flag,
    iterator::{Handle, Signals},
    low_level::emulate_default_handler,
};

/// The signals by which a person or the system ends a program.
pub const ENDING: [c_int; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
/// Those that do not come from the keyboard.
pub const FROM_OUTSIDE: [c_int; 2] = [SIGHUP, SIGTERM];

/// Whether they end the program as they do by default. A handler that was once set stays.
static BY_DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// While it lives, some of [`ENDING`] have something done first, and the others are ignored.
pub struct BeforeEnd(Handle);

impl BeforeEnd {
    /// Does `act` when one of `signals` comes, which then ends the program.
    ///
    /// # Errors
    ///
    /// If signals cannot be handled.
    pub fn of(signals: &'static [c_int], act: impl Fn() + Send + 'static) -> io::Result<Self> {
        by_default()?.store(false, Ordering::SeqCst);
        let mut coming = Signals::new(ENDING)?;
        let guard = Self(coming.handle());
        thread::spawn(move || {
            // Ends without a signal when the guard is dropped.
            for signal in coming.forever().filter(|signal| signals.contains(signal)) {
                act();
                let _ = emulate_default_handler(signal);
            }
        });
        Ok(guard)
    }
}

impl Drop for BeforeEnd {
    fn drop(&mut self) {
        self.0.close();
        if let Some(flag) = BY_DEFAULT.get() {
            flag.store(true, Ordering::SeqCst);
        }
    }
}

fn by_default() -> io::Result<&'static AtomicBool> {
    if BY_DEFAULT.get().is_none() {
        let by_default = Arc::new(AtomicBool::new(false));
        for signal in ENDING {
            flag::register_conditional_default(signal, Arc::clone(&by_default))?;
        }
        let _ = BY_DEFAULT.set(by_default);
    }
    Ok(BY_DEFAULT.get_or_init(Arc::default))
}
