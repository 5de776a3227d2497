//! Who owns files is looked up again while they are served: a name that was nobody's may be somebody's by now, mean
//! another number, or be gone. What differs becomes another generation, of the same bytes.
//!
//! A look costs a process that lives for milliseconds, beside all others: it keeps no reload waiting. What the name
//! service does not tell stays as it is.

mod watch;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::EventfdFlags;
use vault_format::report;

use self::watch::{News, Watch};
use super::kept::{self, Kept};
use super::loading::{LoadError, exactly, sealed};
use super::workers::Workers;
use super::{Monitor, service_manager};
use crate::process::{Role, blob};
use crate::resolver::{Again, Order, Reassigned, Task};

/// How long after news it is looked again; doubles each time.
const SHORTEST: Duration = Duration::from_secs(1);

/// How often it is looked at least while a name means nobody. Its user may be made in a place that nobody watches.
const OFTEN: Duration = Duration::from_secs(10);

/// How often it is looked at least.
const SELDOM: Duration = Duration::from_secs(60);

/// How long whoever writes users down may take to write groups down too.
const SETTLING: Duration = Duration::from_millis(100);

/// How long a name that goes, or means somebody else, must stay so. Files that are written in place have a moment in
/// which they are empty, and a name service that starts anew has one in which it knows nobody.
const DOUBT: Duration = Duration::from_secs(2);

/// Where owners are looked up again, and how it is told to stop.
#[derive(Debug)]
pub(super) struct Lookout {
    workers: Workers,
    bell: OwnedFd,
    stopped: AtomicBool,
}

impl Lookout {
    /// # Errors
    /// The system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { workers: Workers::default(), bell, stopped: AtomicBool::new(false) })
    }

    /// Another state is served, or nothing any more.
    pub fn ring(&self) {
        // It fails where it is rung for longer than anybody could count.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Looks nothing up any more, nor waits for what is being looked up.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.workers.stop();
        self.ring();
    }
}

/// Looks again and again until the mount is gone.
pub(super) fn keep(monitor: &Monitor) {
    let watch = Watch::new(&monitor.lookout.bell);
    let (mut delay, mut trouble) = (SHORTEST, None);
    loop {
        let news = watch.wait(delay);
        if news == News::Files {
            monitor.wait_unless_stopping(SETTLING);
            watch.forget();
        }
        if monitor.lookout.is_stopped() {
            return;
        }
        delay = if news == News::None { delay * 2 } else { SHORTEST };
        // Whoever rang has just looked.
        if news != News::Rung {
            let looked = monitor.look_again().unwrap_or_else(Looked::failed);
            if monitor.lookout.is_stopped() {
                return;
            }
            if looked.differs {
                delay = SHORTEST;
            }
            if looked.trouble != trouble {
                tell(looked.trouble.as_deref());
                trouble = looked.trouble;
            }
        }
        let is_urgent = trouble.is_none() && !monitor.state().unresolved.is_empty();
        delay = delay.min(if is_urgent { OFTEN } else { SELDOM });
    }
}

/// Told once, not at each look.
fn tell(trouble: Option<&str>) {
    match trouble {
        Some(why) => eprintln!("vaultd: cannot look again who owns files, which stays as it is: {why}"),
        None => eprintln!("vaultd: the name service tells again who owns files"),
    }
}

/// What came of a look.
#[derive(Debug, Default)]
struct Looked {
    /// Whether there is another generation.
    differs: bool,
    /// Why it is not known of all names what they mean.
    trouble: Option<String>,
}

impl Looked {
    fn failed(error: LoadError) -> Self {
        let why = report::render(&error);
        Self { differs: false, trouble: Some(why.trim_start_matches("error: ").to_owned()) }
    }
}

impl Monitor {
    /// Looks up who the owners are, and serves what is different.
    fn look_again(&self) -> Result<Looked, LoadError> {
        let (number, known) = {
            let state = self.state();
            let current = state.generations.last().ok_or(io::Error::from(io::ErrorKind::NotFound))?;
            (current.number, current.owners.try_clone()?)
        };
        let (mut again, mut owners) = self.ask_again(&known, false)?;
        if again.doubted {
            self.wait_unless_stopping(DOUBT);
            (again, owners) = self.ask_again(&known, true)?;
        }
        let differs = again.differs && self.reassign(number, &known, &owners)?;
        Ok(Looked { differs, trouble: again.silent })
    }

    fn ask_again(&self, known: &OwnedFd, believes: bool) -> Result<(Again, OwnedFd), LoadError> {
        let order = Order { station: self.loader.settings().station()?, task: Task::Again { believes } };
        let take = |again, received| Ok((again, exactly::<1>(received)?));
        let (again, [owners]) = self.lookout.workers.ask(Role::Resolver, &order, &[known.as_fd()], take)?;
        Ok((again, owners))
    }

    /// Gives the files of that generation to those whom their names mean now. False if another one is served
    /// meanwhile, for which it was looked too.
    fn reassign(&self, number: u64, known: &OwnedFd, owners: &OwnedFd) -> Result<bool, LoadError> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current()?;
        if before.number != number {
            return Ok(false);
        }
        if !kept::has_room(&self.state().generations) {
            return Err(LoadError::Full);
        }
        let order = Order { station: self.loader.settings().station()?, task: Task::Reassign };
        let given = [before.plan.as_fd(), before.index.as_fd(), known.as_fd(), owners.as_fd()];
        let take = |(), received| {
            let [index, owners, reassigned] = exactly(received)?;
            Ok((sealed(index)?, sealed(owners)?, blob::read(&reassigned)?))
        };
        let (index, owners, reassigned) = self.lookout.workers.ask(Role::Resolver, &order, &given, take)?;
        let Reassigned { news, files, unresolved } = reassigned;
        let Kept { plan, objects, .. } = before;
        let generation = Kept { number: number + 1, index, plan, owners, objects };
        self.switch_to(generation, |state| state.unresolved = unresolved);
        if !self.is_stopping() {
            eprintln!("vaultd: {}; files that are served otherwise now: {files}", news.join("; "));
            service_manager::status(&self.summary());
        }
        Ok(true)
    }
}
