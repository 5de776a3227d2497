//! What a child says on standard error, passed on: as people can read it, and no more than they would.

use std::io::{self, BufRead, BufReader, Read, Write};

use vault_format::report::visible;

/// Longest line in bytes; a longer one is broken.
const LINE: u64 = 2000;

/// Most bytes that are passed on of one child.
const MOST: usize = 64 * 1024;

/// Passes on what comes until the child lets go of its standard error. A child must not wait because nobody reads
/// what it says, so all of it is read.
pub(super) fn relay(from: impl Read, to: &mut impl Write) {
    let (mut from, mut line, mut left) = (BufReader::new(from), Vec::new(), MOST);
    while matches!(from.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
        let text = visible(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        // Our own standard error may be closed, which is no reason to stop reading.
        let _ = writeln!(to, "{text}");
        line.clear();
        left = left.saturating_sub(text.len() + 1);
        if left == 0 {
            let _ = writeln!(to, "… and more of the kind");
            let _ = io::copy(&mut from, &mut io::sink());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{MOST, relay};

    fn relayed(said: impl Read) -> String {
        let mut text = Vec::new();
        relay(said, &mut text);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn is_readable_and_moves_no_cursor() {
        let said = b"one\n\x1b[2Jtwo\r\xff\nwithout an end";
        assert_eq!(relayed(&said[..]), "one\n\\u{1b}[2Jtwo\\u{d}\u{fffd}\nwithout an end\n");
    }

    #[test]
    fn is_bounded_and_read_to_its_end() {
        let mut without_an_end = std::io::repeat(b'x').take(10_000_000);
        let text = relayed(without_an_end.by_ref());
        assert!(text.len() < MOST + 3000 && text.lines().all(|line| line.len() <= 2000), "{}", text.len());
        assert!(text.ends_with("x\n… and more of the kind\n"));
        assert_eq!(without_an_end.limit(), 0, "nobody waits for us to read");
    }
}
