//! Keys of PuTTY (`.ppk`): lines of names and values, the private ones after `Private-Lines:`.

use memchr::memmem;

use super::{KeyFormat, Secret};

/// How far the line on encryption is from the first.
const ENCRYPTION_WITHIN: usize = 256;
/// How far the private lines are from the first: a public key of 16,384 bits has 3 KiB.
const KEY_WITHIN: usize = 64 * 1024;
/// Fewer characters than this hold no key; Ed25519 has 48.
const FEWEST: usize = 32;

/// The first lines of a key.
pub(super) struct Start {
    at: usize,
    protected: bool,
}

/// The first lines of a key, if `at` is behind the name of the first.
pub(super) fn start(text: &[u8], at: usize) -> Option<Start> {
    let head = &text[at..text.len().min(at + ENCRYPTION_WITHIN)];
    if !matches!(head, [b'1'..=b'3', b':', b' ', ..]) {
        return None;
    }
    let encryption = memmem::find(head, b"Encryption: ")?;
    Some(Start { at, protected: !head[encryption..].starts_with(b"Encryption: none") })
}

impl Start {
    /// The key, if there is one: `at` is behind the name of the line that says how many lines it has.
    pub(super) fn key(&self, text: &[u8], at: usize) -> Option<Secret> {
        let count = text[at..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || at - self.at > KEY_WITHIN || !has_body(&text[at + count..]) {
            return None;
        }
        Some(Secret::PrivateKey { format: KeyFormat::Putty, protected: self.protected })
    }
}

/// Whether a line of base64 follows, after white space that may be escaped.
fn has_body(text: &[u8]) -> bool {
    let white = |byte: &&u8| byte.is_ascii_whitespace() || **byte == b'\\';
    let text = &text[text.iter().take(64).take_while(white).count()..];
    // After an escaped line end.
    let text = text.strip_prefix(b"r\\n").or(text.strip_prefix(b"n")).unwrap_or(text);
    let base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    text.iter().take(FEWEST).take_while(base64).count() == FEWEST
}
