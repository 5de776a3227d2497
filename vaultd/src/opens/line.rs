//! How a server asks the monitor: a number and a question in one packet, and the same number with the answer in
//! another. An answer that came too late is told from the next one by its number.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::process::channel::Channel;

/// Bytes of a number.
const NUMBER: usize = 8;

/// Between what `/proc/PID/cgroup` says and the target of `/proc/PID/exe`, of which neither has it.
pub const SEPARATOR: u8 = 0;

/// The end of a line that asks. Whoever holds it has set how long an answer is waited for.
#[derive(Debug)]
pub struct Asking {
    channel: Channel,
    last: Mutex<u64>,
}

impl Asking {
    /// A line that nobody asked on yet.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { channel, last: Mutex::new(0) }
    }

    /// Asks, after whoever asks now has an answer.
    ///
    /// # Errors
    /// Nobody answers, or not in time.
    pub fn ask(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        self.channel.send_raw(&[&last.to_ne_bytes(), question].concat())?;
        loop {
            let packet = self.channel.receive_raw()?;
            let (number, answer) = split(&packet)?;
            if number == *last {
                return Ok(answer.to_vec());
            }
        }
    }
}

/// Answers on the other end of a line until nobody can ask any more. No answer at all is an empty one.
///
/// # Errors
/// What was asked is no question.
pub fn answer(channel: &Channel, mut answer: impl FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
    loop {
        let packet = channel.receive_raw()?;
        if packet.is_empty() {
            return Ok(());
        }
        let (number, question) = split(&packet)?;
        channel.send_raw(&[&number.to_ne_bytes(), answer(question).as_slice()].concat())?;
    }
}

fn split(packet: &[u8]) -> io::Result<(u64, &[u8])> {
    let (number, rest) = packet.split_first_chunk::<NUMBER>().ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((u64::from_ne_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::{Asking, answer};
    use crate::process::channel::Channel;

    #[test]
    fn each_question_has_its_own_answer() {
        let (one, other) = Channel::pair().expect("a pair");
        one.wait_at_most(Some(Duration::from_millis(50))).expect("a limit");
        let asking = Asking::new(one);
        // Nobody answers in time.
        assert!(asking.ask(b"late").is_err());
        let answering = thread::spawn(move || answer(&other, <[u8]>::to_ascii_uppercase));
        assert_eq!(asking.ask(b"next").expect("an answer"), b"NEXT");
        drop(asking);
        answering.join().expect("no panic").expect("an end");
    }
}
