//! Asking the name service, which may hang: one name that does keeps no other one waiting.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Name, OwnerError};

/// How long the name service may take, for all names together.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// How long it may say nothing before the next name is asked for meanwhile.
const STUCK: Duration = Duration::from_millis(500);

/// What the name service says of a name.
pub(super) type Told = Result<Option<u32>, OwnerError>;

/// Asks for all names, as long as there is time. What it did not tell is [`OwnerError::Hangs`].
pub(super) fn ask(
    names: BTreeSet<Name>,
    limit: Duration,
    look_up: impl Fn(&Name) -> Told + Send + Sync + 'static,
) -> Vec<(Name, Told)> {
    let mut open = names.clone();
    let (queue, look_up) = (Arc::new(Mutex::new(names.into_iter())), Arc::new(look_up));
    let (answers, answered) = mpsc::channel();
    // One that hangs ends with this process.
    let start = || {
        let (queue, look_up, answers) = (Arc::clone(&queue), Arc::clone(&look_up), answers.clone());
        let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::spawn(move || {
            while let Some(name) = next() {
                let told = look_up(&name);
                if answers.send((name, told)).is_err() {
                    break;
                }
            }
        });
    };
    start();
    let (mut all, end) = (Vec::with_capacity(open.len()), Instant::now() + limit);
    while !open.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        match answered.recv_timeout(left.min(STUCK)) {
            Ok((name, told)) => {
                open.remove(&name);
                all.push((name, told));
            }
            Err(RecvTimeoutError::Timeout) if left > STUCK => start(),
            Err(_) => break,
        }
    }
    all.extend(open.into_iter().map(|name| (name, Err(OwnerError::Hangs))));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::thread;
    use std::time::Duration;

    use super::{Told, ask};
    use crate::resolver::{Name, OwnerError};

    /// The name service says at once who has a number, and never anything about others.
    fn look_up(name: &Name) -> Told {
        match name {
            Name::User(name) if name.starts_with("some") => Ok(Some(7)),
            Name::User(name) if name.starts_with("no") => Ok(None),
            _ => loop {
                thread::park();
            },
        }
    }

    #[test]
    fn a_name_that_hangs_keeps_no_other_one_waiting() {
        let names = ["a-hanging", "another", "nobody", "somebody"].map(|name| Name::User(name.to_owned()));
        let told = ask(names.into_iter().collect(), Duration::from_millis(2500), look_up);
        let told: BTreeMap<Name, Told> = told.into_iter().collect();
        let of = |name: &str| &told[&Name::User(name.to_owned())];
        assert!(matches!(of("somebody"), Ok(Some(7))), "{told:?}");
        assert!(matches!(of("nobody"), Ok(None)), "{told:?}");
        assert!(matches!(of("a-hanging"), Err(OwnerError::Hangs)), "{told:?}");
        assert!(matches!(of("another"), Err(OwnerError::Hangs)), "{told:?}");
    }
}
