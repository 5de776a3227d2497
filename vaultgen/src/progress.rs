//! A bar on the terminal for work that takes longer than a second. It is gone when the work is done.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
        progress::listen(Terminal::default());
    }
}

/// There is room for one bar: work that goes on beside it is not shown.
#[derive(Default)]
struct Terminal {
    taken: Arc<AtomicBool>,
}

impl Listener for Terminal {
    fn begins(&self, what: &'static str, items: Option<usize>) -> Box<dyn Shown> {
        let bar =
            ProgressBar::with_draw_target(items.map(|items| items as u64), ProgressDrawTarget::hidden());
        bar.set_style(style(items.is_some()));
        bar.set_message(what);
        let (end, ended) = mpsc::channel();
        let (shown, taken) = (bar.clone(), Arc::clone(&self.taken));
        let shower = thread::spawn(move || {
            // Nothing is ever sent: the sender is dropped when the work ends.
            if ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout)
                || taken.swap(true, Ordering::SeqCst)
            {
                return;
            }
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(TICK);
            let _ = ended.recv();
            shown.finish_and_clear();
            taken.store(false, Ordering::SeqCst);
        });
        Box::new(Bar { bar, end: Some(end), shower: Some(shower) })
    }
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
