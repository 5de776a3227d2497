//! Plaintext that must not be in a repository, found in the bytes of one file.
//!
//! [`scan`] knows secrets by their form: private keys, key stores, age identities, password hashes. A password or
//! a token has none, so nobody can find it this way. What merely names a form (a manual, the code of a parser) is
//! none: a key needs its body, an age identity its checksum, a hash its exact length.
//!
//! Of a secret only its kind and its line are told, never any of its bytes.

mod armor;
mod bech32;
mod binary;
mod crypt;
mod pgp;
mod putty;

use std::{borrow::Cow, fmt, sync::LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};

/// Most bytes of a file that is worth a scan. A longer one takes its time only.
pub const MAX_BYTES: u64 = 1 << 26;
/// Most leaks that are told of one file: nobody reads more, and a list of stolen hashes has millions.
pub const MAX_LEAKS: usize = 1_000;
/// How far Git looks for a NUL to call a file binary.
const BINARY_HEAD: usize = 8_000;

/// A secret in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub what: Secret,
    /// Where it begins: a line counted from 1; 1 in a binary file.
    pub line: usize,
}

/// What a secret is, as far as its form tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// A private key, or a store of them.
    PrivateKey {
        /// How it is written.
        format: KeyFormat,
        /// Whether a passphrase protects it: then it is as safe as that is hard to guess.
        protected: bool,
    },
    /// An age identity.
    AgeIdentity,
    /// An identity of an age plugin. It may be of use only together with a device.
    AgePluginIdentity,
    /// A password hash of crypt(5): whoever has it can try passwords.
    PasswordHash(HashFormat),
}

impl Secret {
    /// The code of such a finding, for lists of what is allowed and for machines that read reports.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::PrivateKey { .. } => "plaintext-private-key",
            Self::AgeIdentity | Self::AgePluginIdentity => "plaintext-age-identity",
            Self::PasswordHash(_) => "plaintext-password-hash",
        }
    }

    /// Whether it is of no use without a passphrase.
    #[must_use]
    pub fn is_protected(self) -> bool {
        matches!(self, Self::PrivateKey { protected: true, .. })
    }
}

/// As a message says it: `a private key (PKCS#8), protected by a passphrase`.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrivateKey { format, protected } => {
                let store = matches!(format, KeyFormat::Pkcs12 | KeyFormat::JavaKeyStore);
                let what = if store { "a store of private keys" } else { "a private key" };
                let how = if *protected { ", protected by a passphrase" } else { "" };
                write!(f, "{what} ({}){how}", format.as_str())
            }
            Self::AgeIdentity => f.write_str("an age identity"),
            Self::AgePluginIdentity => f.write_str("an identity of an age plugin"),
            Self::PasswordHash(format) => write!(f, "a password hash ({})", format.as_str()),
        }
    }
}

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFormat {
    /// PKCS#1 (RFC 8017), as `openssl rsa` writes it.
    Pkcs1,
    /// PKCS#8 (RFC 5208, RFC 5958), the usual one.
    Pkcs8,
    /// SEC 1 (RFC 5915), as `openssl ec` writes it.
    Sec1,
    /// OpenSSL's own for DSA.
    Dsa,
    /// OpenSSH's own (PROTOCOL.key).
    OpenSsh,
    /// That of ssh.com's programs.
    SshCom,
    /// That of PuTTY (`.ppk`).
    Putty,
    /// OpenPGP (RFC 9580).
    Pgp,
    /// PKCS#12 (RFC 7292), also called PFX.
    Pkcs12,
    /// A Java key store (JKS or JCEKS).
    JavaKeyStore,
}

impl KeyFormat {
    /// Its usual name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pkcs1 => "PKCS#1",
            Self::Pkcs8 => "PKCS#8",
            Self::Sec1 => "SEC 1",
            Self::Dsa => "DSA",
            Self::OpenSsh => "OpenSSH",
            Self::SshCom => "ssh.com",
            Self::Putty => "PuTTY",
            Self::Pgp => "OpenPGP",
            Self::Pkcs12 => "PKCS#12",
            Self::JavaKeyStore => "Java",
        }
    }
}

/// The method of a password hash (crypt(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashFormat {
    /// `$1$`.
    Md5,
    /// `$apr1$`, of Apache's `htpasswd`.
    Apr1,
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt,
    /// `$5$`.
    Sha256,
    /// `$6$`.
    Sha512,
    /// `$7$`.
    Scrypt,
    /// `$y$`.
    Yescrypt,
    /// `$gy$`.
    GostYescrypt,
}

impl HashFormat {
    /// Its name in crypt(5).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5crypt",
            Self::Apr1 => "apr1",
            Self::Bcrypt => "bcrypt",
            Self::Sha256 => "sha256crypt",
            Self::Sha512 => "sha512crypt",
            Self::Scrypt => "scrypt",
            Self::Yescrypt => "yescrypt",
            Self::GostYescrypt => "gost-yescrypt",
        }
    }
}

/// What a secret in a text has in it, and next to nothing else has.
#[derive(Clone, Copy)]
enum Mark {
    /// The end of the first line of PEM and its kin.
    Armor,
    /// The start of the same, encoded as Kubernetes has it.
    Encoded,
    PuttyStart,
    PuttyKey,
    Age,
    Hash(HashFormat),
}

const MARKS: [(&str, Mark); 19] = [
    ("PRIVATE KEY", Mark::Armor),
    // Base64 of `-----BEGIN`.
    ("LS0tLS1CRUdJTi", Mark::Encoded),
    ("PuTTY-User-Key-File-", Mark::PuttyStart),
    ("Private-Lines: ", Mark::PuttyKey),
    ("AGE-SECRET-KEY-", Mark::Age),
    ("AGE-PLUGIN-", Mark::Age),
    ("age-secret-key-", Mark::Age),
    ("age-plugin-", Mark::Age),
    ("$1$", Mark::Hash(HashFormat::Md5)),
    ("$apr1$", Mark::Hash(HashFormat::Apr1)),
    ("$2a$", Mark::Hash(HashFormat::Bcrypt)),
    ("$2b$", Mark::Hash(HashFormat::Bcrypt)),
    ("$2x$", Mark::Hash(HashFormat::Bcrypt)),
    ("$2y$", Mark::Hash(HashFormat::Bcrypt)),
    ("$5$", Mark::Hash(HashFormat::Sha256)),
    ("$6$", Mark::Hash(HashFormat::Sha512)),
    ("$7$", Mark::Hash(HashFormat::Scrypt)),
    ("$y$", Mark::Hash(HashFormat::Yescrypt)),
    ("$gy$", Mark::Hash(HashFormat::GostYescrypt)),
];

/// All marks at once. Only this kind of match is found with vector instructions.
static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let words = MARKS.map(|(text, _)| text);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words).expect("a few short words")
});

/// What was found at a mark, and where it ends. Where it is no secret, that much was looked at in vain: marks
/// within it need no look, which keeps a scan linear.
struct Judged {
    what: Option<Secret>,
    end: usize,
}

/// Finds the secrets in the bytes of a file, in the order in which they stand, [`MAX_LEAKS`] at most.
///
/// It takes time in proportion to the length, whatever the bytes are.
#[must_use]
pub fn scan(bytes: &[u8]) -> Vec<Leak> {
    if let Some(what) = binary::secret(bytes) {
        return vec![Leak { what, line: 1 }];
    }
    let text = narrow(bytes);
    let mut lines = Lines::of(&text);
    let mut leaks = Vec::new();
    let mut putty = None;
    let mut end = 0;
    for found in SEARCH.find_iter(&*text) {
        let at = found.start();
        if at < end {
            continue;
        }
        let judged = match MARKS[found.pattern().as_usize()].1 {
            Mark::Armor => armor::key(&text, at),
            Mark::Encoded => armor::encoded(&text, at),
            Mark::Age => bech32::identity(&text, at),
            Mark::Hash(format) => crypt::hash(&text, at, found.end(), format),
            Mark::PuttyStart => {
                putty = putty::start(&text, found.end()).map(|start| (start, lines.at(at)));
                continue;
            }
            Mark::PuttyKey => {
                let Some((start, line)) = putty.take() else { continue };
                leaks.extend(start.key(&text, found.end()).map(|what| Leak { what, line }));
                continue;
            }
        };
        end = judged.end;
        leaks.extend(judged.what.map(|what| Leak { what, line: lines.at(at) }));
        if leaks.len() == MAX_LEAKS {
            break;
        }
    }
    leaks
}

/// A text of Windows has two bytes for each character, as its first two say. What is not ASCII is in no secret.
fn narrow(bytes: &[u8]) -> Cow<'_, [u8]> {
    let ascii = |high: u8, low: u8| if high == 0 && low.is_ascii() { low } else { b'?' };
    match bytes {
        [0xff, 0xfe, rest @ ..] => rest.chunks_exact(2).map(|pair| ascii(pair[1], pair[0])).collect(),
        [0xfe, 0xff, rest @ ..] => rest.chunks_exact(2).map(|pair| ascii(pair[0], pair[1])).collect(),
        _ => Cow::Borrowed(bytes),
    }
}

/// Numbers of lines, for places that come in their order: each byte is counted once.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: usize,
    is_binary: bool,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        let is_binary = text.iter().take(BINARY_HEAD).any(|byte| *byte == 0);
        Self { text, counted: 0, line: 1, is_binary }
    }

    fn at(&mut self, place: usize) -> usize {
        if !self.is_binary {
            self.line += memchr::memchr_iter(b'\n', &self.text[self.counted..place]).count();
            self.counted = place;
        }
        self.line
    }
}

#[cfg(test)]
mod tests;
