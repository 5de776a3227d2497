//! The C2SP/CCTV test vectors of the age format through our reading path, with the same verdict
//! as the vectors' own list, and each difference by name.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use vault_format::{
    Digest, Identities, Plaintext,
    cipher::{self, CipherError},
    passphrase::Nobody,
};

/// How many vectors the set has: none may get lost.
const VECTORS: usize = 123;

/// What became of a file. The names are those of the list, but for `refused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Success,
    HeaderFailure,
    /// We report a wrong MAC and a wrong payload alike, as damage.
    Damaged,
    NoMatch,
    ArmorFailure,
    /// Encrypted to a passphrase: right or wrong, we do not look.
    Refused,
}

struct Vector {
    expected: Verdict,
    payload: Option<Digest>,
    identities: String,
    file: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut vector =
            Self { expected: Verdict::Success, payload: None, identities: String::new(), file: Vec::new() };
        let mut compressed = false;
        for line in head.lines() {
            match line.split_once(": ").unwrap() {
                ("expect", what) => vector.expected = expected(what),
                ("payload", digest) => vector.payload = Some(digest.parse().unwrap()),
                ("identity", key) => vector.identities.extend([key, "\n"]),
                ("compressed", "zlib") => compressed = true,
                ("file key" | "passphrase" | "armored" | "comment", _) => {}
                (key, value) => panic!("{}: {key}: {value} is not known", path.display()),
            }
        }
        let rest = &bytes[end + 2..];
        if compressed {
            flate2::read::ZlibDecoder::new(rest).read_to_end(&mut vector.file).unwrap();
        } else {
            vector.file.extend(rest);
        }
        vector
    }

    /// Opens the file as a vault's file is opened.
    fn open(&self) -> (Verdict, Option<Plaintext>) {
        let identities = Identities::parse(&Plaintext::from(self.identities.clone()), &Nobody);
        match cipher::decrypt(&self.file, &identities.unwrap_or_else(|_| Identities::none())) {
            Ok(plaintext) => (Verdict::Success, Some(plaintext)),
            Err(CipherError::Empty | CipherError::NotAge | CipherError::Header) => {
                (Verdict::HeaderFailure, None)
            }
            Err(CipherError::NoMatchingIdentity) => (Verdict::NoMatch, None),
            Err(CipherError::Damaged | CipherError::Truncated) => (Verdict::Damaged, None),
            Err(CipherError::Passphrase) => (Verdict::Refused, None),
            Err(error) => panic!("{error}"),
        }
    }
}

fn expected(what: &str) -> Verdict {
    match what {
        "success" => Verdict::Success,
        "header failure" => Verdict::HeaderFailure,
        "HMAC failure" | "payload failure" => Verdict::Damaged,
        "no match" => Verdict::NoMatch,
        "armor failure" => Verdict::ArmorFailure,
        other => panic!("{other} is no verdict of the list"),
    }
}

fn vectors() -> BTreeMap<String, Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/age-vectors");
    let named = |name: &str| name != "README.md" && !name.starts_with('.');
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| named(name))
        .map(|(name, path)| (name, Vector::read(&path)))
        .collect()
}

/// What we say instead of the list's verdict, by the vector's name, for one of three reasons:
///
/// * A vault holds binary age files only, so armor is no age file: good armor and bad alike.
/// * A vault is encrypted to keys only, so a passphrase file with a well-formed header is refused
///   before any work, whatever is wrong with its recipient or passphrase.
/// * The list counts the nonce as part of the header, and we say of a file that ends in it that it
///   is cut off, as of one that ends later.
fn instead(name: &str) -> Option<Verdict> {
    if name.starts_with("armor") {
        return Some(Verdict::HeaderFailure);
    }
    if ["stream_no_nonce", "stream_short_nonce"].contains(&name) {
        return Some(Verdict::Damaged);
    }
    let lone_passphrase =
        name.starts_with("scrypt") && !["scrypt_and_x25519", "scrypt_double"].contains(&name);
    lone_passphrase.then_some(Verdict::Refused)
}

#[test]
fn every_vector_gets_the_verdict_of_the_list_or_a_named_other() {
    let vectors = vectors();
    assert_eq!(vectors.len(), VECTORS);
    let mut differing = Vec::new();
    for (name, vector) in &vectors {
        let (verdict, plaintext) = vector.open();
        if let Some(plaintext) = plaintext {
            assert_eq!(Some(Digest::of(plaintext.expose())), vector.payload, "{name}");
        }
        if verdict != vector.expected {
            assert_eq!(Some(verdict), instead(name), "{name}, where the list says {:?}", vector.expected);
            differing.push(verdict);
        }
    }
    let count = |verdict| differing.iter().filter(|given| **given == verdict).count();
    assert_eq!(
        (count(Verdict::HeaderFailure), count(Verdict::Refused), count(Verdict::Damaged)),
        (29, 21, 2)
    );
}

/// The age crate reads two vectors that the list refuses: headers as its own beta versions wrote
/// them. No vault has any, and we follow the list.
#[test]
fn headers_of_beta_versions_are_refused() {
    for name in ["stanza_missing_body", "stanza_missing_final_line"] {
        assert_eq!(vectors()[name].open().0, Verdict::HeaderFailure, "{name}");
    }
}
