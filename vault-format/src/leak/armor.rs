//! Keys between lines such as `-----BEGIN PRIVATE KEY-----` and `-----END…` (RFC 7468, RFC 1421, RFC 9580, RFC 4716),
//! as they stand in files of their own, in strings with `\n` in them, indented, quoted or commented.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use memchr::memmem;

use super::{Judged, KeyFormat, Secret, pgp};

/// Longest label: between `BEGIN ` and `PRIVATE KEY`.
const LONGEST_LABEL: usize = 24;
/// How much of a body is decoded to see whether it is one: with the public part of an OpenPGP key.
const HEAD: usize = 4 * 1024;
/// How much of a text is decoded that was encoded a second time.
const ENCODED: usize = 64 * 1024;
/// Most lines such as `Proc-Type: 4,ENCRYPTED` before a body, and the longest.
const MAX_HEADERS: usize = 16;
const LONGEST_HEADER: usize = 256;
/// Fewer characters than this hold no key: P-256 in SEC 1 without parameters has 52.
const FEWEST: usize = 48;

/// A body may run into what is a mark of its own, which begins with fewer letters than this before its dash.
const RUN_INTO: usize = 8;

const OPENSSH: &[u8] = b"openssh-key-v1\0";
const SSH_COM: &[u8] = b"\x3f\x6f\xf9\xeb";

/// Judges the key with `PRIVATE KEY` at `at`.
pub(super) fn key(text: &[u8], at: usize) -> Judged {
    let Some((label, from)) = label(text, at) else { return Judged { what: None, end: at + 1 } };
    let body = Body::read(text, from, HEAD);
    Judged { what: body.key(label), end: body.judged_until(from) }
}

/// Judges a text at `at` that was encoded once more, as a Secret of Kubernetes is. The first key is told.
pub(super) fn encoded(text: &[u8], at: usize) -> Judged {
    let body = Body::read(text, at, ENCODED);
    let decoded = body.decoded();
    // What is encoded a third time is left: each time could be followed by one more.
    let what = memmem::find_iter(&decoded, b"PRIVATE KEY").find_map(|at| key(&decoded, at).what);
    Judged { what, end: body.judged_until(at) }
}

/// The label before `PRIVATE KEY`, and where the body begins.
fn label(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    const BEGIN: &[u8] = b"---- BEGIN ";
    const PEM_BEGIN: &[u8] = b"-----BEGIN ";
    let before = &text[at.saturating_sub(LONGEST_LABEL + BEGIN.len())..at];
    let begin = memmem::rfind(before, b"BEGIN ")? + b"BEGIN ".len();
    let is_label = before[begin..].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ');
    if !is_label || !(before[..begin].ends_with(BEGIN) || before[..begin].ends_with(PEM_BEGIN)) {
        return None;
    }
    let after = &text[at + b"PRIVATE KEY".len()..];
    let rest = after.strip_prefix(b" BLOCK").unwrap_or(after);
    let rest = rest.strip_prefix(b"-----").or_else(|| rest.strip_prefix(b" ----"))?;
    Some((&before[begin..], text.len() - rest.len()))
}

/// What stands between the two lines.
struct Body {
    /// Its first characters of base64.
    head: Vec<u8>,
    /// How many characters of base64 it has.
    len: usize,
    /// Whether it says of itself that it is encrypted (RFC 1421).
    encrypted: bool,
    end: usize,
}

impl Body {
    /// Reads up to the first character that belongs to no body, a dash at the latest: so no two bodies overlap, however
    /// many there are. White space, line ends as programs escape them, quotes and the marks of comments are
    /// passed over.
    fn read(text: &[u8], from: usize, most: usize) -> Self {
        let mut body = Self { head: Vec::new(), len: 0, encrypted: false, end: from };
        let mut headers = 0;
        loop {
            body.end += separators(&text[body.end..]);
            let rest = &text[body.end..];
            if body.len == 0 && headers < MAX_HEADERS {
                if let Some(header) = header(rest) {
                    body.encrypted |= memmem::find(header, b"ENCRYPTED").is_some();
                    body.end += header.len();
                    headers += 1;
                    continue;
                }
            }
            let len = rest.iter().take_while(|byte| is_base64(byte)).count();
            if len == 0 {
                return body;
            }
            let room = most - body.head.len();
            body.head.extend_from_slice(&rest[..len.min(room)]);
            body.len += len;
            body.end += len;
        }
    }

    fn judged_until(&self, from: usize) -> usize {
        self.end.saturating_sub(RUN_INTO).max(from + 1)
    }

    fn decoded(&self) -> Vec<u8> {
        // The last characters may be half of something.
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        let whole = self.head.len() - usize::from(self.head.len() % 4 == 1);
        ENGINE.decode(&self.head[..whole]).unwrap_or_default()
    }

    /// The key with this label, if it has the form of one.
    fn key(&self, label: &[u8]) -> Option<Secret> {
        if self.len < FEWEST {
            return None;
        }
        let decoded = self.decoded();
        let (format, protected) = match label {
            b"OPENSSH " => (KeyFormat::OpenSsh, cipher(decoded.strip_prefix(OPENSSH)?)? != b"none"),
            b"SSH2 ENCRYPTED " => (KeyFormat::SshCom, ssh_com_cipher(&decoded)? != b"none"),
            b"PGP " => (KeyFormat::Pgp, pgp::protection(&decoded)?),
            b"ENCRYPTED " if self.holds_der(&decoded, 0x30) => (KeyFormat::Pkcs8, true),
            _ if self.encrypted => (der_format(label), true),
            _ if self.holds_der(&decoded, 0x02) => (der_format(label), false),
            _ => return None,
        };
        Some(Secret::PrivateKey { format, protected })
    }

    /// Whether this is a sequence that begins with an element of this tag, and not only its beginning, as manuals
    /// quote it.
    fn holds_der(&self, decoded: &[u8], tag: u8) -> bool {
        let (len, content) = match decoded {
            [0x30, 0x81, len, content @ ..] => (usize::from(*len), content),
            [0x30, 0x82, high, low, content @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), content)
            }
            [0x30, len @ 0..=0x7f, content @ ..] => (usize::from(*len), content),
            _ => return false,
        };
        content.first() == Some(&tag) && self.len / 4 * 3 >= len / 2
    }
}

fn der_format(label: &[u8]) -> KeyFormat {
    match label {
        b"RSA " => KeyFormat::Pkcs1,
        b"EC " => KeyFormat::Sec1,
        b"DSA " => KeyFormat::Dsa,
        _ => KeyFormat::Pkcs8,
    }
}

/// The name of the cipher, which comes first.
fn cipher(key: &[u8]) -> Option<&[u8]> {
    let (len, rest) = key.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// The name of the cipher, after magic number, length and type.
fn ssh_com_cipher(key: &[u8]) -> Option<&[u8]> {
    let key = key.strip_prefix(SSH_COM)?.get(4..)?;
    let kind = cipher(key)?;
    cipher(&key[4 + kind.len()..])
}

/// A line of name and value, without its end. It has no dashes as those around a body.
fn header(text: &[u8]) -> Option<&[u8]> {
    let text = &text[..text.len().min(LONGEST_HEADER)];
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    if name == 0 || !text[name..].starts_with(b": ") {
        return None;
    }
    let end = text.iter().position(|byte| b"\r\n\\\"".contains(byte))?;
    memmem::find(&text[..end], b"----").is_none().then(|| &text[..end])
}

/// How many bytes are passed over.
fn separators(text: &[u8]) -> usize {
    let mut len = 0;
    loop {
        len += match &text[len..] {
            [b'\\', b'n' | b'r' | b't', ..] => 2,
            [b'\\' | b'"' | b'\'' | b'`' | b',' | b'#' | b'*' | b'|' | b'>' | b'.' | b';' | b'=', ..] => 1,
            // A comment's start; `/` alone is of the body.
            [b'/', b'/', b'/' | b'!', next, ..] if next.is_ascii_whitespace() => 3,
            [b'/', b'/', next, ..] if next.is_ascii_whitespace() => 2,
            // Between two strings.
            [b'+', next, ..] if next.is_ascii_whitespace() => 1,
            [byte, ..] if byte.is_ascii_whitespace() => 1,
            _ => return len,
        };
    }
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/".contains(byte)
}
