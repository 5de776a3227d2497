//! A bar on the terminal for work that takes longer than a second. It is gone when the work is done.

use std::{
    io::{self, IsTerminal},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vault_format::progress::{self, Listener, Shown};

/// What takes no longer is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it moves where nobody knows how long it takes.
const TICK: Duration = Duration::from_millis(100);

/// Shows long work on standard error, if that is a terminal.
pub fn show() {
    if io::stderr().is_terminal() {
        progress::listen(Terminal);
    }
}

/// Uses the terminal in the middle of work: the bar is away meanwhile.
pub fn aside<T>(use_terminal: impl FnOnce() -> T) -> T {
    match on_terminal().as_ref() {
        Some(bar) => bar.suspend(use_terminal),
        None => use_terminal(),
    }
}

/// There is room for one bar: work that goes on beside it is not shown.
static ON_TERMINAL: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn on_terminal() -> MutexGuard<'static, Option<ProgressBar>> {
    ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Terminal;

impl Listener for Terminal {
    fn begins(&self, what: &'static str, items: Option<usize>) -> Box<dyn Shown> {
        let bar =
            ProgressBar::with_draw_target(items.map(|items| items as u64), ProgressDrawTarget::hidden());
        bar.set_style(style(items.is_some()));
        bar.set_message(what);
        let (end, ended) = mpsc::channel();
        let shown = bar.clone();
        let shower = thread::spawn(move || {
            // Nothing is ever sent: the sender is dropped when the work ends.
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) && appears(&shown) {
                let _ = ended.recv();
                let mut place = on_terminal();
                shown.finish_and_clear();
                *place = None;
            }
        });
        Box::new(Bar { bar, end: Some(end), shower: Some(shower) })
    }
}

/// Draws the bar, unless there is one already.
fn appears(bar: &ProgressBar) -> bool {
    let mut place = on_terminal();
    if place.is_some() {
        return false;
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(TICK);
    *place = Some(bar.clone());
    true
}

fn style(has_end: bool) -> ProgressStyle {
    let template = if has_end { "{msg} [{bar:30}] {pos} of {len}" } else { "{msg} {spinner}" };
    // The templates are ours, and known to be good.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").tick_chars(r"|/-\ ")
}

struct Bar {
    bar: ProgressBar,
    end: Option<Sender<()>>,
    shower: Option<JoinHandle<()>>,
}

impl Shown for Bar {
    fn advances(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Bar {
    /// Whatever is printed next finds a clean line.
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(shower) = self.shower.take() {
            let _ = shower.join();
        }
    }
}
