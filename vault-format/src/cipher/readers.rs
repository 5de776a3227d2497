//! More readers for an age file: stanzas for them in its header, the payload as it was.
//!
//! An age file holds one file key, wrapped for each reader in a stanza of the header. Whoever can
//! open the file knows that key, so a reader who only joins can be given the same. One who leaves
//! still knows it: then the secret must be encrypted anew, with [`encrypt`](super::encrypt).

use std::{cell::OnceCell, io::Read};

use age::DecryptError;
use age_core::{
    format::{FileKey, Stanza},
    primitives::hkdf,
    secrecy::ExposeSecret,
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{CHUNK, CipherError, Header, MAX_RECIPIENTS, header::MAC_LINE, open, payload_len};
use crate::{Identities, Recipient};

/// Label of the key that authenticates the header (<https://c2sp.org/age>, Header MAC).
const MAC_KEY_LABEL: &[u8] = b"header";
/// Length of a full line of a stanza's body.
const BODY_LINE: usize = 64;

/// Lets the `added` recipients read an age file too. Everybody who could open it still can; file
/// key, nonce and payload stay as they are.
///
/// All of the file is authenticated first, header and payload up to its last byte.
///
/// # Errors
///
/// As [`decrypt`](super::decrypt) and [`encrypt`](super::encrypt).
pub fn add_recipients<'a>(
    mut file: Vec<u8>,
    added: impl IntoIterator<Item = &'a Recipient>,
    identities: &Identities,
) -> Result<Vec<u8>, CipherError> {
    let header = Header::parse(&file)?;
    let file_key = authenticate(&file, &header, identities)?;
    let mac_line = header.len - MAC_LINE..header.len;

    let mut end = Vec::new();
    for recipient in added {
        wrap(&file_key, recipient, &mut end)?;
    }
    end.extend_from_slice(b"---");
    let mac = mac(&file_key, &[&file[..mac_line.start], &end]);
    end.push(b' ');
    end.extend_from_slice(BASE64_STANDARD_NO_PAD.encode(mac).as_bytes());
    end.push(b'\n');
    file.splice(mac_line, end);

    let grown = Header::parse(&file).map_err(|_| CipherError::TooManyRecipients)?;
    if grown.stanzas.len() > MAX_RECIPIENTS { Err(CipherError::TooManyRecipients) } else { Ok(file) }
}

/// Reads the whole file as [`decrypt`](super::decrypt) does, keeps its key, and nothing of its
/// plaintext.
fn authenticate(file: &[u8], header: &Header, identities: &Identities) -> Result<FileKey, CipherError> {
    let len = payload_len(file, header)?;
    let keeper = KeyKeeper { identities, kept: OnceCell::new() };
    let mut reader = open(file, header, &keeper)?;
    let mut chunk = Zeroizing::new(vec![0; len.clamp(1, CHUNK)]);
    while reader.read(&mut chunk).map_err(|_| CipherError::Damaged)? > 0 {}
    drop(reader);
    keeper.kept.into_inner().ok_or(CipherError::NoMatchingIdentity)
}

/// Keeps the file key that one of the identities unwraps: the age crate, which holds it against the
/// header's MAC, does not give it away.
struct KeyKeeper<'a> {
    identities: &'a Identities,
    kept: OnceCell<FileKey>,
}

impl age::Identity for KeyKeeper<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        Some(self.identities.unwrap_stanzas(stanzas)?.inspect(|key| {
            self.kept
                .get_or_init(|| FileKey::init_with_mut(|copy| copy.copy_from_slice(key.expose_secret())));
        }))
    }
}

/// Wraps the file key for a recipient, and writes the stanzas of that.
fn wrap(file_key: &FileKey, recipient: &Recipient, header: &mut Vec<u8>) -> Result<(), CipherError> {
    let refused = || CipherError::Recipient(recipient.clone());
    let key = recipient.age_recipient().map_err(|_| refused())?;
    let (stanzas, labels) = key
        .wrap_file_key(file_key)
        .map_err(|error| CipherError::of_wrapping(error).unwrap_or_else(refused))?;
    // Labels say which types of recipients must not stand together. The types of a vault have none.
    if !labels.is_empty() {
        return Err(refused());
    }
    for stanza in stanzas {
        write_stanza(&stanza, header);
    }
    Ok(())
}

fn write_stanza(stanza: &Stanza, header: &mut Vec<u8>) {
    header.extend_from_slice(b"-> ");
    header.extend_from_slice(stanza.tag.as_bytes());
    for argument in &stanza.args {
        header.push(b' ');
        header.extend_from_slice(argument.as_bytes());
    }
    header.push(b'\n');
    let body = BASE64_STANDARD_NO_PAD.encode(&stanza.body);
    let full_lines = body.as_bytes().chunks_exact(BODY_LINE);
    // The last line is short, if need be empty.
    let last_line = full_lines.remainder();
    for line in full_lines.chain([last_line]) {
        header.extend_from_slice(line);
        header.push(b'\n');
    }
}

/// The MAC over the `parts` of a header, up to and including the three hyphens.
fn mac(file_key: &FileKey, parts: &[&[u8]]) -> [u8; 32] {
    let key = Zeroizing::new(hkdf(&[], MAC_KEY_LABEL, file_key.expose_secret()));
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plaintext, cipher, passphrase::Nobody, ssh::SshKey};

    fn sample(len: usize) -> (Identities, Vec<u8>) {
        let identities = Identities::generate();
        let plaintext = Plaintext::from(vec![7; len]);
        let file = cipher::encrypt(&plaintext, &identities.recipients()).unwrap();
        (identities, file)
    }

    fn header_len(file: &[u8]) -> usize {
        Header::parse(file).unwrap().len
    }

    #[test]
    fn who_could_read_still_can_and_who_joins_can_too() {
        let ssh = SshKey::generate("").unwrap();
        let ssh = Identities::parse(&ssh.to_file().unwrap(), &Nobody).unwrap();
        let others = [Identities::generate(), ssh, Identities::generate()];
        for len in [0, 1, 1024, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let (first, mut file) = sample(len);
            let payload = file[header_len(&file)..].to_vec();
            let mut opener = &first;
            for other in &others {
                file = add_recipients(file, &other.recipients(), opener).unwrap();
                // Whoever joined can let the next one in.
                opener = other;
            }
            for reader in others.iter().chain([&first]) {
                assert_eq!(cipher::decrypt(&file, reader).unwrap().expose(), vec![7; len]);
            }
            assert!(cipher::decrypt(&file, &Identities::generate()).is_err());
            assert!(file[header_len(&file)..] == payload, "{len}");
            let header = Header::parse(&file).unwrap();
            assert_eq!(header.stanzas(), ["X25519", "X25519", "ssh-ed25519", "X25519"]);
            assert!(header.grease() <= 1);
        }
    }

    #[test]
    fn a_stranger_lets_nobody_in() {
        let (_, file) = sample(6);
        let stranger = Identities::generate();
        for identities in [&stranger, &Identities::none()] {
            let refused = add_recipients(file.clone(), &stranger.recipients(), identities);
            assert!(matches!(refused, Err(CipherError::NoMatchingIdentity)));
        }
    }

    /// Also a payload that is damaged far from its start: what was opened is authenticated whole.
    #[test]
    fn a_file_that_does_not_open_gets_no_readers() {
        let (identities, file) = sample(6);
        let friend = Identities::generate().recipients();
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] ^= 1;
            assert!(add_recipients(flipped, &friend, &identities).is_err(), "byte {at}");
            assert!(add_recipients(file[..at].to_vec(), &friend, &identities).is_err(), "cut at {at}");
        }
        let (identities, mut long) = sample(2 * CHUNK + 9);
        *long.last_mut().unwrap() ^= 1;
        assert!(matches!(add_recipients(long.clone(), &friend, &identities), Err(CipherError::Damaged)));
        long.truncate(long.len() - 25);
        assert!(matches!(add_recipients(long, &friend, &identities), Err(CipherError::Damaged)));
    }

    #[test]
    fn more_readers_than_a_header_holds_are_refused() {
        let (identities, file) = sample(6);
        let friend = Identities::generate().recipients();
        let many = |count| std::iter::repeat_n(friend.first().unwrap(), count);
        let full = add_recipients(file, many(MAX_RECIPIENTS - 1), &identities).unwrap();
        assert_eq!(cipher::decrypt(&full, &identities).unwrap().expose(), [7; 6]);
        let refused = add_recipients(full, many(1), &identities);
        assert!(matches!(refused, Err(CipherError::TooManyRecipients)));
    }

    #[test]
    fn every_length_of_a_stanza_is_read_back() {
        for len in [0, 1, 32, 47, 48, 49, 96, 256] {
            let stanza = Stanza { tag: "a".to_owned(), args: vec!["b".to_owned()], body: vec![3; len] };
            let mut text = Vec::new();
            write_stanza(&stanza, &mut text);
            text.push(b'-');
            let (rest, read) = age_core::format::read::age_stanza(&text).unwrap();
            assert_eq!(rest, b"-");
            assert_eq!(Stanza::from(read), stanza, "{len}");
        }
    }
}
