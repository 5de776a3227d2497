//! Who answers a server while it lives: it opens no file and starts no program, so it asks who opens, and where the
//! units are that may. And somebody notes what it tells of opens, until all that it told is noted.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::connection::Connection;
use super::programs;
use super::record::Recorder;
use super::units;
use crate::opens::line::{self, SEPARATOR};
use crate::opens::{Opened, Reason};
use crate::process::channel::Channel;

/// How long a server waits to hear who opens a file.
const WHO: Duration = Duration::from_secs(1);

/// How long it waits to hear where a unit is: longer than we ask.
const WHERE: Duration = units::LIMIT.saturating_add(Duration::from_secs(1));

/// Most bytes of what is told of a control group: far more than a path.
const MOST: u64 = 16 * 1024;

/// A server's ends of its lines.
#[derive(Debug)]
pub struct Lines([Channel; 3]);

impl Lines {
    /// As a server expects them: where it asks for a process, where for a unit, and where it tells of opens.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(AsFd::as_fd)
    }
}

/// Those who attend to one server.
#[derive(Debug)]
pub struct Attendants {
    connection: Arc<Connection>,
    recorder: Recorder,
    told: Channel,
    listener: JoinHandle<()>,
}

impl Attendants {
    /// Starts them, for a server of `connection`. They end when nobody has the lines any more.
    ///
    /// # Errors
    /// The system has no descriptors or threads left.
    pub fn start(connection: &Arc<Connection>, recorder: &Recorder) -> io::Result<(Self, Lines)> {
        let (who, its_who) = Channel::pair()?;
        let (place, its_place) = Channel::pair()?;
        let (told, its_told) = Channel::pair()?;
        its_who.wait_at_most(Some(WHO))?;
        its_place.wait_at_most(Some(WHERE))?;
        // A server that asks nonsense gets no answer any more, and so lets nobody open what needs one.
        thread::Builder::new().spawn(move || line::answer(&who, process))?;
        thread::Builder::new().spawn(move || line::answer(&place, units::control_group))?;
        let (connection, recorder) = (Arc::clone(connection), recorder.clone());
        let listener = {
            let (told, connection, recorder) = (told.duplicate()?, Arc::clone(&connection), recorder.clone());
            thread::Builder::new().spawn(move || listen(&told, &connection, &recorder))?
        };
        Ok((Self { connection, recorder, told, listener }, Lines([its_who, its_place, its_told])))
    }

    /// When their server has died: notes what it told, and how many opens it counted and did not tell.
    pub fn finish(self) {
        // A server that is killed and cannot be reaped keeps its end open for as long. What it told is heard first.
        self.told.hang_up();
        // It ends when it has heard all; one that panicked has not, and the rest is counted as untold.
        let _ = self.listener.join();
        for (decision, count) in self.connection.untold() {
            self.recorder.note(Opened::untold(decision, Reason::ServerDied, count));
        }
    }
}

fn listen(told: &Channel, connection: &Connection, recorder: &Recorder) {
    while let Ok(Some((opened, _))) = told.receive::<Opened>() {
        if !opened.again {
            connection.was_told(opened.decision, opened.count);
        }
        recorder.note(opened);
    }
}

/// What `/proc` says of a process, by its number.
fn process(question: &[u8]) -> Vec<u8> {
    let Ok(pid) = question.try_into().map(u32::from_ne_bytes) else { return Vec::new() };
    let mut answer = Vec::new();
    let read =
        File::open(format!("/proc/{pid}/cgroup")).and_then(|file| file.take(MOST).read_to_end(&mut answer));
    // One that is cut off would be another one.
    if read.is_err() || answer.len() as u64 == MOST {
        answer.clear();
    }
    answer.push(SEPARATOR);
    answer.extend(programs::of(pid));
    answer
}

#[cfg(test)]
mod tests {
    use super::process;
    use crate::opens::line::SEPARATOR;

    #[test]
    fn tells_of_a_process_and_of_its_threads() {
        let own = std::process::id();
        let exe = std::env::current_exe().expect("a program");
        let told = std::thread::spawn(|| {
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            process(&thread.to_ne_bytes())
        });
        for answer in [process(&own.to_ne_bytes()), told.join().expect("no panic")] {
            let mut parts = answer.split(|byte| *byte == SEPARATOR);
            let cgroup = std::fs::read("/proc/self/cgroup").expect("a cgroup");
            assert_eq!(parts.next(), Some(cgroup.as_slice()));
            assert_eq!(parts.next(), Some(exe.as_os_str().as_encoded_bytes()));
        }
        assert_eq!(process(&u32::MAX.to_ne_bytes()), [SEPARATOR]);
        assert!(process(b"1").is_empty());
    }
}
