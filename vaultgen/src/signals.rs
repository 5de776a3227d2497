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
/// Those that come from the keyboard.
const FROM_KEYBOARD: [c_int; 2] = [SIGINT, SIGQUIT];

/// Whether they end the program as they do by default. A handler that was once set stays.
static BY_DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// While it lives, some of [`ENDING`] have something done first, and the others are ignored. There is
/// one at a time.
pub struct BeforeEnd {
    watch: Handle,
    /// Whether another program has the keyboard just now.
    lent: Arc<AtomicBool>,
}

impl BeforeEnd {
    /// Does `act` when one of `signals` comes, which then ends the program.
    ///
    /// # Errors
    ///
    /// If signals cannot be handled.
    pub fn of(signals: &'static [c_int], act: impl Fn() + Send + 'static) -> io::Result<Self> {
        by_default()?.store(false, Ordering::SeqCst);
        let mut coming = Signals::new(ENDING)?;
        let guard = Self { watch: coming.handle(), lent: Arc::default() };
        let lent = Arc::clone(&guard.lent);
        thread::spawn(move || {
            // Ends without a signal when the guard is dropped.
            for signal in coming.forever().filter(|signal| signals.contains(signal)) {
                if FROM_KEYBOARD.contains(&signal) && lent.load(Ordering::SeqCst) {
                    continue;
                }
                act();
                let _ = emulate_default_handler(signal);
            }
        });
        Ok(guard)
    }

    /// Lends the keyboard to another program while `run` waits for it: what is typed to end a program
    /// is for that one.
    pub fn lend_keyboard<T>(&self, run: impl FnOnce() -> T) -> T {
        self.lent.store(true, Ordering::SeqCst);
        let done = run();
        self.lent.store(false, Ordering::SeqCst);
        done
    }
}

impl Drop for BeforeEnd {
    fn drop(&mut self) {
        self.watch.close();
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
