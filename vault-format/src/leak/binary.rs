//! Keys in binary: DER, PKCS#12, Java key stores, OpenPGP. Only a file that is one from its first byte is meant.

use super::{KeyFormat, Secret, pgp};

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// `pkcs-7` (RFC 2315): what is in PKCS#12.
const PKCS7: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
/// `pkcs-5` (RFC 8018), and the older ones of `pkcs-12` (RFC 7292): encryption with a passphrase.
const BY_PASSPHRASE: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01],
];

/// The key that the file is, if it is one.
pub(super) fn secret(file: &[u8]) -> Option<Secret> {
    let key = |format, protected| Some(Secret::PrivateKey { format, protected });
    match file {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..]
            if store_has_key(file).unwrap_or(false) =>
        {
            key(KeyFormat::JavaKeyStore, true)
        }
        // The length is left open, as Java and Windows write it.
        [SEQUENCE, 0x80, rest @ ..] => key(stores_pkcs12(rest)?, true),
        [SEQUENCE, ..] => {
            let (content, rest) = element(file, SEQUENCE)?;
            if !rest.trim_ascii().is_empty() {
                return None;
            }
            key_of(content).map(|(format, protected)| Secret::PrivateKey { format, protected })
        }
        [0x94..=0x96 | 0xc5, ..] => key(KeyFormat::Pgp, pgp::protection(file)?),
        _ => None,
    }
}

/// The key whose sequence has this content.
fn key_of(content: &[u8]) -> Option<(KeyFormat, bool)> {
    if let Some((algorithm, rest)) = element(content, SEQUENCE) {
        let (name, _) = element(algorithm, OBJECT)?;
        let (_, rest) = element(rest, OCTETS)?;
        let encrypted = rest.is_empty() && BY_PASSPHRASE.iter().any(|family| name.starts_with(family));
        return encrypted.then_some((KeyFormat::Pkcs8, true));
    }
    let (version, rest) = element(content, INTEGER)?;
    match (version, rest.first()?) {
        ([0 | 1], &SEQUENCE) => {
            let (algorithm, rest) = element(rest, SEQUENCE)?;
            element(algorithm, OBJECT)?;
            element(rest, OCTETS).map(|_| (KeyFormat::Pkcs8, false))
        }
        ([0 | 1], &INTEGER) => match integers(rest) {
            8 => Some((KeyFormat::Pkcs1, false)),
            5 => Some((KeyFormat::Dsa, false)),
            _ => None,
        },
        ([1], &OCTETS) => element(rest, OCTETS).map(|_| (KeyFormat::Sec1, false)),
        ([3], &SEQUENCE) => stores_pkcs12(content).map(|format| (format, true)),
        _ => None,
    }
}

/// How many integers follow each other.
fn integers(mut rest: &[u8]) -> usize {
    let mut count = 0;
    while let Some((_, after)) = element(rest, INTEGER) {
        rest = after;
        count += 1;
    }
    count
}

/// Whether this is the content of a PKCS#12 store: version 3, and data or signed data.
fn stores_pkcs12(content: &[u8]) -> Option<KeyFormat> {
    let rest = content.strip_prefix(&[INTEGER, 1, 3, SEQUENCE])?;
    // A length of one to four bytes, or one that is left open.
    let name = match rest {
        [0x81, _, rest @ ..] | [0x82, _, _, rest @ ..] | [0x83, _, _, _, rest @ ..] => rest,
        [0x84, _, _, _, _, rest @ ..] | [0..=0x80, rest @ ..] => rest,
        _ => return None,
    };
    let name = name.strip_prefix(&[OBJECT, 9])?;
    name.starts_with(&PKCS7).then_some(KeyFormat::Pkcs12)
}

/// Content and rest of a DER element with this tag.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.strip_prefix(&[tag])?;
    let (&first, bytes) = bytes.split_first()?;
    let (len, bytes) = match first {
        0..=0x7f => (usize::from(first), bytes),
        0x81..=0x84 => {
            let (len, bytes) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            (len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), bytes)
        }
        _ => return None,
    };
    bytes.split_at_checked(len)
}

/// Whether a Java key store has a key, and not just certificates to be trusted, as most that lie in repositories.
fn store_has_key(store: &[u8]) -> Option<bool> {
    let mut store = Store(store.get(4..)?);
    let (_version, entries) = (store.number()?, store.number()?);
    for _ in 0..entries {
        // 1 is a private key, 2 a certificate, 3 another key.
        if store.number()? != 2 {
            return Some(true);
        }
        store.text()?;
        store.skip(8)?;
        store.text()?;
        let len = store.number()?;
        store.skip(usize::try_from(len).ok()?)?;
    }
    Some(false)
}

struct Store<'a>(&'a [u8]);

impl Store<'_> {
    fn skip(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn text(&mut self) -> Option<()> {
        let (len, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.skip(usize::from(u16::from_be_bytes(*len)))
    }
}
