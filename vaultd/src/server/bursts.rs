//! What is told of opens: the first of a kind at once, and how many of the kind followed within a second.
//!
//! Who opens files is not kept waiting by whoever writes the records, nor is there more to remember the more is
//! opened: what exceeds that is counted, and told in one.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::opens::record::Caller;
use crate::opens::{Decision, Opened, Reason};
use crate::process::channel::Channel;

/// How long opens of a kind are counted before they are told.
pub const WINDOW: Duration = Duration::from_secs(1);

/// Most kinds that are counted at the same time.
const MOST: usize = 4096;

/// How long the last records may take to be told at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What makes opens of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sort {
    /// The file.
    pub node: u64,
    /// The generation that it was a file of.
    pub generation: u64,
    /// Who opens it.
    pub caller: Caller,
    /// How it ended.
    pub decision: Decision,
}

/// The opens of the last second.
#[derive(Debug, Clone)]
pub(super) struct Bursts {
    table: Arc<Mutex<Table>>,
    queue: SyncSender<Message>,
}

#[derive(Debug, Default)]
struct Table {
    bursts: HashMap<Sort, Burst>,
    /// When each ends, from the first that does.
    ends: VecDeque<(Instant, Sort)>,
    /// What there was no room for.
    untold: HashMap<Decision, u64>,
}

#[derive(Debug)]
struct Burst {
    opened: Opened,
    /// How many there were after the first.
    more: u64,
}

#[derive(Debug)]
enum Message {
    Opened(Opened),
    /// Tell all there is, and then that it is told.
    End(SyncSender<()>),
}

impl Bursts {
    /// A table, and what is to be told of it by [`Teller::tell`].
    pub(super) fn new() -> (Self, Teller) {
        let (queue, messages) = mpsc::sync_channel(MOST);
        let bursts = Self { table: Arc::default(), queue };
        (bursts.clone(), Teller { bursts, messages })
    }

    /// Whether this is not the first of its sort, which is counted then.
    pub(super) fn goes_on(&self, sort: &Sort) -> bool {
        let mut table = self.table();
        let burst = table.bursts.get_mut(sort);
        burst.map(|burst| burst.more += 1).is_some()
    }

    /// Tells of the first of a sort.
    pub(super) fn begin(&self, sort: Sort, opened: Opened) {
        let mut table = self.table();
        if let Some(burst) = table.bursts.get_mut(&sort) {
            // Another thread was faster.
            burst.more += 1;
            return;
        }
        if table.bursts.len() < MOST {
            table.bursts.insert(sort, Burst { opened: opened.clone(), more: 0 });
            table.ends.push_back((Instant::now() + WINDOW, sort));
        }
        self.say(&mut table, opened);
    }

    /// Tells of one by itself, which may have been told before.
    pub(super) fn say_again(&self, opened: Opened) {
        self.say(&mut self.table(), Opened { again: true, ..opened });
    }

    /// Tells all there is, but not to somebody who does not listen.
    pub(super) fn finish(&self) {
        let (done, told) = mpsc::sync_channel(1);
        if self.queue.try_send(Message::End(done)).is_ok() {
            let _ = told.recv_timeout(PATIENCE);
        }
    }

    fn say(&self, table: &mut Table, opened: Opened) {
        let (decision, count) = (opened.decision, opened.count);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Opened(opened)) {
            *table.untold.entry(decision).or_default() += count;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What ended by `now`, with how many of it were not told yet.
    fn take_ended(&mut self, now: Instant) -> Vec<Opened> {
        let mut ended = Vec::new();
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            let Some((_, sort)) = self.ends.pop_front() else { break };
            let burst = self.bursts.remove(&sort);
            let more = burst.filter(|burst| burst.more > 0);
            ended.extend(more.map(|burst| Opened { count: burst.more, ..burst.opened }));
        }
        let untold = std::mem::take(&mut self.untold).into_iter();
        ended.extend(untold.map(|(decision, count)| Opened::untold(decision, Reason::TooMany, count)));
        ended
    }
}

/// What is to be told.
#[derive(Debug)]
pub(super) struct Teller {
    bursts: Bursts,
    messages: Receiver<Message>,
}

impl Teller {
    /// Tells until nobody listens any more.
    pub(super) fn tell(self, monitor: &Channel) -> std::io::Result<()> {
        loop {
            let next = self.bursts.table().ends.front().map(|(end, _)| *end);
            let message = match next {
                Some(end) => self.messages.recv_timeout(end.saturating_duration_since(Instant::now())),
                None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let (first, by, done) = match message {
                Ok(Message::Opened(opened)) => (Some(opened), Instant::now(), None),
                Ok(Message::End(done)) => (None, Instant::now() + WINDOW, Some(done)),
                Err(RecvTimeoutError::Timeout) => (None, Instant::now(), None),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let ended = self.bursts.table().take_ended(by);
            for opened in first.into_iter().chain(ended) {
                monitor.send(&opened, &[])?;
            }
            if let Some(done) = done {
                // Whoever asked may not wait any more.
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{Bursts, Caller, Channel, Decision, MOST, Opened, Reason, Sort};

    fn opened(node: u64) -> (Sort, Opened) {
        let caller = Caller { uid: 1, gid: 2, pid: 3 };
        let sort = Sort { node, generation: 1, caller, decision: Decision::Allowed };
        let opened = Opened {
            secret: Some(node.to_string()),
            caller: Some(caller),
            generation: Some(1),
            ..Opened::untold(Decision::Allowed, Reason::Mode, 1)
        };
        (sort, opened)
    }

    fn open(bursts: &Bursts, node: u64) {
        let (sort, opened) = opened(node);
        if !bursts.goes_on(&sort) {
            bursts.begin(sort, opened);
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_are_counted() {
        let (bursts, teller) = Bursts::new();
        let (monitor, its_end) = Channel::pair().expect("a pair");
        thread::spawn(move || teller.tell(&its_end));
        let mut told = Vec::new();
        let mut listen = || {
            let (opened, _) = monitor.receive::<Opened>().expect("a record").expect("a teller");
            told.push((opened.secret.expect("a secret"), opened.count));
        };
        open(&bursts, 1);
        listen();
        (0..5).for_each(|_| open(&bursts, 1));
        open(&bursts, 2);
        listen();
        // Nobody waits for the end of the second.
        bursts.finish();
        listen();
        open(&bursts, 1);
        listen();
        let expected = [("1", 1), ("2", 1), ("1", 5), ("1", 1)];
        assert_eq!(told, expected.map(|(secret, count)| (secret.to_owned(), count)));
    }

    #[test]
    fn what_is_too_much_to_remember_is_counted() {
        let (bursts, teller) = Bursts::new();
        let all = 3 * MOST as u64;
        // Nobody tells yet, so the queue fills.
        (0..all).for_each(|node| open(&bursts, node));
        (0..all).for_each(|node| open(&bursts, node));
        assert!(bursts.table().bursts.len() <= MOST);
        let (monitor, its_end) = Channel::pair().expect("a pair");
        let telling = thread::spawn(move || teller.tell(&its_end));
        let listening = thread::spawn(move || {
            let mut sum = 0;
            while sum < 2 * all {
                sum += monitor.receive::<Opened>().expect("a record").expect("a teller").0.count;
            }
            sum
        });
        assert_eq!(listening.join().expect("no panic"), 2 * all);
        drop(bursts);
        drop(telling);
    }
}
