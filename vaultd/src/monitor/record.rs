//! Writes down who opened what: in the journal, where there is one, else as a line on standard error.
//!
//! Whoever notes something does not wait for it to be written. If the journal hangs, what cannot be held any more is
//! counted, and told in one when it is heard again.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use libsystemd::logging::{Priority, journal_send};

use crate::opens::{Decision, Opened, Reason};

/// What all records have as `MESSAGE_ID`.
pub const MESSAGE_ID: &str = "41eb61fcb8534e398ec17f1c2ca71767";

/// Most records that wait to be written.
const MOST: usize = 10_000;

/// How long the last records may take to be written at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where to note what is to be written down.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: SyncSender<Entry>,
    untold: Arc<Mutex<HashMap<Decision, u64>>>,
}

#[derive(Debug)]
enum Entry {
    Opened(Opened),
    /// Tell that everything before it is written.
    End(SyncSender<()>),
}

impl Recorder {
    /// Starts to write on a thread of its own, which ends with the last recorder.
    #[must_use]
    pub fn start() -> Self {
        let (queue, entries) = mpsc::sync_channel(MOST);
        let untold = Arc::default();
        let recorder = Self { queue, untold: Arc::clone(&untold) };
        thread::spawn(move || write_all(&entries, &untold));
        recorder
    }

    /// Notes opens, to be written down.
    pub fn note(&self, opened: Opened) {
        let (decision, count) = (opened.decision, opened.count);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Opened(opened)) {
            let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
            *untold.entry(decision).or_default() += count;
        }
    }

    /// Waits until what was noted so far is written, but not for a journal that hangs.
    pub fn finish(&self) {
        let (done, written) = mpsc::sync_channel(1);
        if self.queue.try_send(Entry::End(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

fn write_all(entries: &Receiver<Entry>, untold: &Mutex<HashMap<Decision, u64>>) {
    for entry in entries {
        match entry {
            Entry::Opened(opened) => write(&opened),
            // Who asked may not wait any more.
            Entry::End(done) => {
                let _ = done.try_send(());
            }
        }
        let lost = std::mem::take(&mut *untold.lock().unwrap_or_else(PoisonError::into_inner));
        for (decision, count) in lost {
            write(&Opened::untold(decision, Reason::TooMany, count));
        }
    }
}

fn write(opened: &Opened) {
    let priority = match opened.decision {
        Decision::Allowed => Priority::Info,
        Decision::Denied => Priority::Warning,
    };
    let fields = fields(opened);
    let journal = [("MESSAGE_ID", MESSAGE_ID), ("SYSLOG_IDENTIFIER", "vaultd")];
    // By this field `journalctl --unit` shows what root says of a unit. The journal would look it up by the number of
    // the process, which may be gone.
    let unit = opened.unit.as_deref().map(|unit| ("OBJECT_SYSTEMD_UNIT", unit));
    let own = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let all = journal.into_iter().chain(unit).chain(own);
    if journal_send(priority, &opened.message(), all).is_err() {
        eprintln!("{}", line(&fields));
    }
}

/// The fields of a record, without those that have no value.
fn fields(opened: &Opened) -> Vec<(&'static str, String)> {
    let caller = |number: fn(&crate::opens::record::Caller) -> u32| {
        opened.caller.as_ref().map(|caller| number(caller).to_string())
    };
    let fields = [
        ("ODBOX_SECRET", opened.secret.clone()),
        ("ODBOX_DECISION", Some(opened.decision.word().to_owned())),
        ("ODBOX_REASON", Some(opened.reason.word().to_owned())),
        ("ODBOX_UID", caller(|caller| caller.uid)),
        ("ODBOX_GID", caller(|caller| caller.gid)),
        ("ODBOX_PID", caller(|caller| caller.pid)),
        ("ODBOX_EXE", opened.exe.clone()),
        ("ODBOX_UNIT", opened.unit.clone()),
        ("ODBOX_GENERATION", opened.generation.map(|number| number.to_string())),
        ("ODBOX_COUNT", Some(opened.count.to_string())),
        ("ODBOX_AGAIN", opened.again.then(|| "1".to_owned())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A record as one line: each field by its name without `ODBOX_`, and its value in quotes unless it is a plain word.
fn line(fields: &[(&str, String)]) -> String {
    let mut line = String::from("vaultd: open");
    for (name, value) in fields {
        let name = name.trim_start_matches("ODBOX_").to_ascii_lowercase();
        let is_plain =
            !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // A string takes all that is written into it.
        let _ = match is_plain {
            true => write!(line, " {name}={value}"),
            false => write!(line, " {name}={value:?}"),
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Decision, Opened, Reason, fields, line};
    use crate::opens::record::Caller;

    fn opened() -> Opened {
        Opened {
            secret: Some("db/key".to_owned()),
            decision: Decision::Denied,
            reason: Reason::OtherUnit,
            caller: Some(Caller { uid: 33, gid: 34, pid: 7 }),
            exe: Some("/a \"b\"\n\u{1b}".to_owned()),
            unit: None,
            generation: Some(2),
            count: 5,
            again: false,
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_a_program_is_called() {
        assert_eq!(
            line(&fields(&opened())),
            r#"vaultd: open secret="db/key" decision=denied reason=other-unit uid=33 gid=34 pid=7 exe="/a \"b\"\n\u{1b}" generation=2 count=5"#
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let untold = Opened::untold(Decision::Allowed, Reason::ServerDied, 3);
        assert_eq!(line(&fields(&untold)), "vaultd: open decision=allowed reason=server-died count=3");
    }
}
