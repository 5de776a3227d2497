//! Whether a process belongs to one of the services that a file is for.
//!
//! A service is where the system manager says, which it is asked when it matters: what it said holds for a minute for
//! those who are there, and not at all for those who are not. Who waits for its answer waits beside those who answer
//! the kernel.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::opens::line::Asking;
use crate::opens::{ControlGroup, Place, Process, Reason};

/// How long a unit is taken to be where it was said to be. Only root can put another one there.
const HOLDS: Duration = Duration::from_secs(60);

/// How often the system manager is asked about one unit at most, however often somebody else wants its secrets.
const PAUSE: Duration = Duration::from_millis(100);

/// Judges who belongs to a service.
#[derive(Debug)]
pub(super) struct Judge {
    units: Arc<Units>,
    waiting: Sender<Case>,
}

/// Why somebody may not.
pub(super) type Verdict = Result<(), Reason>;

/// One who waits for a verdict.
struct Case {
    process: Process,
    services: BTreeSet<String>,
    since: Instant,
    tell: Box<dyn FnOnce(Verdict) + Send>,
}

/// What is known of units.
#[derive(Debug)]
struct Units {
    line: Asking,
    known: Mutex<HashMap<String, Known>>,
}

/// What the system manager said of a unit, and when it was asked.
#[derive(Debug, Clone)]
struct Known {
    asked: Instant,
    place: Place,
}

impl Judge {
    /// A judge who asks on this line.
    pub(super) fn new(line: Asking) -> Self {
        let units = Arc::new(Units { line, known: Mutex::default() });
        let (waiting, cases) = mpsc::channel();
        let asking = Arc::clone(&units);
        thread::spawn(move || asking.judge_all(&cases));
        Self { units, waiting }
    }

    /// Judges now, if nobody has to be asked for it, or later on another thread.
    pub(super) fn judge(
        &self,
        (pid, process): (u32, Process),
        services: BTreeSet<String>,
        tell: impl FnOnce(Verdict) + Send + 'static,
    ) {
        let Some(group) = &process.group else { return tell(Err(Reason::UnknownProcess)) };
        if services.iter().any(|unit| self.units.is_known_within(unit, group)) {
            return tell(Ok(()));
        }
        if process.keeps_the_system_manager(pid) {
            return tell(Err(Reason::OtherUnit));
        }
        // Whoever waits is told nothing if nobody judges any more, and gets an error.
        let _ = self.waiting.send(Case { process, services, since: Instant::now(), tell: Box::new(tell) });
    }
}

impl Units {
    fn judge_all(&self, cases: &Receiver<Case>) {
        for Case { process, services, since, tell } in cases {
            let Some(group) = process.group else { continue };
            tell(self.judge(&group, &services, since));
        }
    }

    /// Asks for one unit after the other, first for those that the process seems to belong to.
    fn judge(&self, group: &ControlGroup, services: &BTreeSet<String>, since: Instant) -> Verdict {
        let (likely, others): (Vec<_>, Vec<_>) =
            services.iter().partition(|unit| group.names().any(|name| name == unit.as_str()));
        let mut is_told = true;
        for unit in likely.into_iter().chain(others) {
            match self.place(unit, since) {
                Place::At(place) if group.is_within(&place) => return Ok(()),
                Place::At(_) | Place::Nowhere => {}
                Place::Untold => is_told = false,
            }
        }
        Err(if is_told { Reason::OtherUnit } else { Reason::NoSystemManager })
    }

    /// Where a unit is, as was said to somebody who asked `since` then.
    fn place(&self, unit: &str, since: Instant) -> Place {
        let known = self.known().get(unit).cloned();
        if let Some(known) = known {
            if known.asked >= since {
                return known.place;
            }
            thread::sleep((known.asked + PAUSE).saturating_duration_since(Instant::now()));
        }
        let asked = Instant::now();
        let place = match self.line.ask(unit.as_bytes()) {
            Ok(answer) => Place::parse(&answer),
            Err(_) => Place::Untold,
        };
        self.known().insert(unit.to_owned(), Known { asked, place: place.clone() });
        place
    }

    fn is_known_within(&self, unit: &str, group: &ControlGroup) -> bool {
        self.known().get(unit).is_some_and(|known| match &known.place {
            Place::At(place) => known.asked.elapsed() < HOLDS && group.is_within(place),
            Place::Nowhere | Place::Untold => false,
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::{Judge, Process, Reason, Verdict};
    use crate::opens::line::{Asking, answer};
    use crate::process::channel::Channel;

    /// A judge, and the units that were asked for. `a.service` runs, `b.service` does not, of others nothing is told.
    fn judge() -> (Judge, Arc<Mutex<Vec<String>>>) {
        let (one, other) = Channel::pair().expect("a pair");
        one.wait_at_most(Some(Duration::from_secs(10))).expect("a limit");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            answer(&other, |unit| {
                log.lock().expect("a log").push(String::from_utf8_lossy(unit).into_owned());
                match unit {
                    b"a.service" => b"/system.slice/a.service\n".to_vec(),
                    b"b.service" => b"\n".to_vec(),
                    b"root.service" => b"/\n".to_vec(),
                    _ => Vec::new(),
                }
            })
        });
        (Judge::new(Asking::new(one)), asked)
    }

    fn verdict(judge: &Judge, pid: u32, cgroup: &str, services: &[&str]) -> Verdict {
        let services: BTreeSet<String> = services.iter().map(|unit| (*unit).to_owned()).collect();
        let (tell, told) = mpsc::channel();
        let process = Process::new(cgroup.as_bytes(), b"/bin/x");
        judge.judge((pid, process), services, move |verdict| tell.send(verdict).expect("a listener"));
        told.recv_timeout(Duration::from_secs(10)).expect("a verdict")
    }

    #[test]
    fn only_who_is_where_the_system_manager_says_may() {
        let (judge, _) = judge();
        let is = |cgroup, services: &[&str]| verdict(&judge, 9, cgroup, services);
        assert_eq!(is("0::/system.slice/a.service\n", &["a.service"]), Ok(()));
        assert_eq!(is("0::/system.slice/a.service/sub\n", &["b.service", "a.service"]), Ok(()));
        let forged = "0::/user.slice/user-1000.slice/user@1000.service/system.slice/a.service\n";
        assert_eq!(is(forged, &["a.service"]), Err(Reason::OtherUnit));
        assert_eq!(is("0::/system.slice/b.service\n", &["b.service"]), Err(Reason::OtherUnit));
        assert_eq!(is("0::/system.slice/c.service\n", &["c.service"]), Err(Reason::NoSystemManager));
        assert_eq!(is("0::/system.slice/x.service\n", &["root.service"]), Err(Reason::OtherUnit));
        assert_eq!(is("0::/\n", &["a.service"]), Err(Reason::UnknownProcess));
    }

    #[test]
    fn nobody_is_asked_for_one_who_would_have_to_answer() {
        let (judge, asked) = judge();
        assert_eq!(verdict(&judge, 1, "0::/x.scope\n", &["a.service"]), Err(Reason::OtherUnit));
        assert_eq!(verdict(&judge, 9, "0::/init.scope\n", &["a.service"]), Err(Reason::OtherUnit));
        assert!(asked.lock().expect("a log").is_empty());
    }

    #[test]
    fn what_was_said_holds_for_those_who_are_there() {
        let (judge, asked) = judge();
        for _ in 0..10 {
            assert_eq!(
                verdict(&judge, 9, "0::/system.slice/a.service\n", &["a.service", "b.service"]),
                Ok(())
            );
        }
        assert_eq!(*asked.lock().expect("a log"), ["a.service"]);
        for _ in 0..2 {
            assert!(verdict(&judge, 9, "0::/system.slice/x.service\n", &["a.service"]).is_err());
        }
        assert_eq!(*asked.lock().expect("a log"), ["a.service"; 3]);
    }
}
