//! What the service manager is told (sd_notify(3)); where there is none, nobody is.

use sd_notify::NotifyState;

/// The files are readable.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The vault is loaded anew of our own accord, not by a command that the manager waits for; [`ready`] ends it.
pub fn reloading() {
    // A manager gives up on a service that does not say when.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Another state is served, or the present one was refused.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The mount is being taken away.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A manager that does not listen is no reason not to serve; it gives up on us by its own rules.
fn tell(news: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(news);
}
