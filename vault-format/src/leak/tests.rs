use std::time::Instant;

use age::secrecy::ExposeSecret;
use base64::{Engine, prelude::BASE64_STANDARD};
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use proptest::prelude::*;
use ssh_key::{Algorithm, PrivateKey, rand_core::OsRng};
use zeroize::Zeroizing;

use super::*;
use crate::password::{HashScheme, Password};

const PKCS8: Secret = Secret::PrivateKey { format: KeyFormat::Pkcs8, protected: false };

fn pem() -> String {
    p256::SecretKey::random(&mut OsRng).to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

fn identity() -> String {
    age::x25519::Identity::generate().to_string().expose_secret().to_owned()
}

fn found(text: impl AsRef<[u8]>) -> Vec<(Secret, usize)> {
    scan(text.as_ref()).into_iter().map(|leak| (leak.what, leak.line)).collect()
}

#[test]
fn a_key_is_found_however_it_stands_in_a_text() {
    let pem = pem();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [
        pem.clone(),
        pem.replace('\n', "\r\n"),
        format!("key: \"{}\"\n", pem.replace('\n', "\\n")),
        format!("key: \"{}\"\n", pem.replace('\n', "\\r\\n")),
        format!("{{\"json\": \"{{\\\"key\\\": \\\"{}\\\"}}\"}}", pem.replace('\n', "\\\\n")),
        format!("key: |\n{}", pem.lines().map(|line| format!("    {line}\n")).collect::<String>()),
        pem.lines().map(|line| format!("# {line}\n")).collect(),
        pem.lines().map(|line| format!("// {line}\n")).collect(),
        pem.lines().map(|line| format!("//! {line}\n")).collect(),
        pem.lines().map(|line| format!("\"{line}\\n\" +\n")).collect(),
        pem.lines().map(|line| format!("'{line}',\n")).collect(),
        format!("-----BEGIN PRIVATE KEY-----{body}-----END PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY----- {body} -----END PRIVATE KEY-----"),
        // Cut off at its end.
        format!("-----BEGIN PRIVATE KEY-----\n{}", &body[..body.len() - 40]),
    ] {
        let text = format!("a line\n{text}");
        let first = text.lines().position(|line| line.contains("BEGIN")).unwrap() + 1;
        assert_eq!(found(&text), [(PKCS8, first)], "{text}");
        let wide = |pair: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(pair).collect::<Vec<u8>>();
        assert_eq!(found([&[0xff, 0xfe], &*wide(u16::to_le_bytes)].concat()), [(PKCS8, first)]);
        assert_eq!(found([&[0xfe, 0xff], &*wide(u16::to_be_bytes)].concat()), [(PKCS8, first)]);
    }
    let encoded = BASE64_STANDARD.encode(&pem);
    assert_eq!(found(format!("data:\n  tls.key: {encoded}\n")), [(PKCS8, 2)]);
}

#[test]
fn what_names_a_form_is_no_secret() {
    let pem = pem();
    let first = pem.lines().nth(1).unwrap();
    for text in [
        "-----BEGIN PRIVATE KEY-----",
        "A key begins with -----BEGIN PRIVATE KEY-----, and goes on with base64 up to -----END PRIVATE KEY-----.",
        "-----BEGIN PRIVATE KEY----- and then come the many lines of a body in base64 which nobody reads",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        &format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "x".repeat(64)),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA…\n",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF…\n-----END PGP PRIVATE KEY BLOCK-----",
        &format!("-----BEGIN PRIVATE KEY-----\n{}...\n-----END PRIVATE KEY-----", &first[..30]),
        &format!("-----BEGIN CERTIFICATE-----\n{first}\n{first}\n-----END CERTIFICATE-----"),
        "PuTTY-User-Key-File-2: ssh-rsa, Encryption: none, Private-Lines: 14",
        "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
        "AGE-SECRET-KEY-1… and AGE-PLUGIN-YUBIKEY-1… and AGE-PLUGIN-",
        "$6$salt$hash $1$salt$ $2b$12$ $5$rounds=5000$salt$ $y$j9T$salt$hash $7$",
        &format!("$6$salt${}", "x".repeat(86)),
        &format!("$6$salt${}", "abcdefghij".repeat(9)),
        "echo $1$2$3$4$5$6$7$8",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    let age = identity();
    assert_eq!(found(age.replace("1", "1Q")), []);
}

#[test]
fn identities_of_age_are_found() {
    let identity = identity();
    let expected = [(Secret::AgeIdentity, 2)];
    for text in [
        format!("# public key: age1…\n{identity}\n"),
        format!("\nkey = \"{identity}\"."),
        format!("\n{}", identity.to_lowercase()),
        format!("{{\n\"key\":\"{identity}\\n\"}}"),
        format!("-----BEGIN PRIVATE KEY-----\n{identity}"),
    ] {
        assert_eq!(found(&text), expected, "{text}");
    }
    // Of age-plugin-yubikey's own documentation; it is of no use without the device.
    let plugin = "AGE-PLUGIN-YUBIKEY-1GKZHGAAAAAAAAAAAAAAAAAA";
    assert_eq!(found(plugin), [], "the checksum is wrong");
}

#[test]
fn hashes_are_found() {
    let password = Password::entered(Zeroizing::new("correct horse".to_owned())).unwrap();
    let hash = |scheme| password.hash(scheme).unwrap().expose_str().unwrap().to_owned();
    let ours =
        [(hash(HashScheme::Sha512), HashFormat::Sha512), (hash(HashScheme::Yescrypt), HashFormat::Yescrypt)];
    // By mkpasswd(1) and `openssl passwd`, of "test".
    let others = [
        ("$2b$05$X2MIkReq7mhLUD4RZAobUOAT12px6H.bO7H6QlimXcOEUeLOQv36G", HashFormat::Bcrypt),
        ("$5$pi9B8dfe/.LcgAQ1$A2w1YgsykYBnYvIBTzbn7/2pwE6JvTHfkDCVWG0zdV5", HashFormat::Sha256),
        (
            "$7$CU..../....IDFoCU6qQE.E.ZoNXeiEH/$6qRHPvA3krw1BGkCtV1j1PZGgunaO6YkOoRRu9Kgsm3",
            HashFormat::Scrypt,
        ),
        (
            "$gy$j9T$7047WR4JQlx7JPN8x69tH/$z/zQ0vPZgJQJ2Hjl6rFFfKS7lFqCtUR.KnyifkPjzN4",
            HashFormat::GostYescrypt,
        ),
        ("$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", HashFormat::Md5),
        ("$apr1$abcdefgh$/cesMUEGhga5MgaTGywaW0", HashFormat::Apr1),
    ];
    let others = others.map(|(hash, format)| (hash.to_owned(), format));
    for (hash, format) in ours.into_iter().chain(others) {
        let expected = [(Secret::PasswordHash(format), 1)];
        for text in [hash.clone(), format!("root:{hash}:19000:0:::::\n"), format!("hash = \"{hash}\"\\n")] {
            assert_eq!(found(&text), expected, "{text}");
        }
        assert_eq!(found(format!("{hash}a")), [], "{hash}a");
        assert_eq!(found(&hash[..hash.len() - 1]), [], "{hash}, cut off");
    }
}

#[test]
fn a_key_of_openssh_says_whether_it_is_protected() {
    let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap();
    let open = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    let closed =
        key.encrypt(&mut OsRng, "correct horse").unwrap().to_openssh(ssh_key::LineEnding::LF).unwrap();
    for (text, protected) in [(open, false), (closed, true)] {
        let what = Secret::PrivateKey { format: KeyFormat::OpenSsh, protected };
        assert_eq!(found(text.as_str()), [(what, 1)]);
        assert_eq!(what.is_protected(), protected);
    }
}

#[test]
fn a_file_may_have_many() {
    let text = format!("{}\n{}\n{}", pem(), identity(), pem());
    assert_eq!(found(&text), [(PKCS8, 1), (Secret::AgeIdentity, 7), (PKCS8, 8)]);
    let binary = format!("\0\n{}", pem());
    assert_eq!(found(&binary), [(PKCS8, 1)]);
    let many = format!("{}\n", identity()).repeat(MAX_LEAKS + 1);
    assert_eq!(scan(many.as_bytes()).len(), MAX_LEAKS);
}

#[test]
fn nothing_of_a_secret_is_told() {
    let identity = identity();
    let leaks = scan(identity.as_bytes());
    let told = format!("{leaks:?} {} {}", leaks[0].what, leaks[0].what.code());
    assert!(!told.contains(&identity[20..30]), "{told}");
}

/// What repeats itself must not be read again and again: quadratic time would be minutes here.
#[test]
fn hostile_text_takes_linear_time() {
    let pem = "-----BEGIN PRIVATE KEY-----";
    for piece in [
        pem,
        "-----BEGIN PRIVATE KEY-----\nA: ",
        "-----BEGIN PRIVATE KEY-----A",
        "PRIVATE KEY",
        "LS0tLS1CRUdJTi",
        "LS0tLS1CRUdJTi ",
        "PuTTY-User-Key-File-2: ",
        "PuTTY-User-Key-File-2: Encryption: none Private-Lines: 1",
        "Private-Lines: 1",
        "AGE-SECRET-KEY-1",
        "AGE-PLUGIN-",
        "AGE-PLUGIN-A 1",
        "$6$",
        "$6$a$aaaaaaaaaaaaa",
        "$y$",
        "$7$aaaaaaaaaaaaaaaaaa",
        "$2b$12$",
        "\n",
        "-",
        "$",
        "0\u{82}",
        "\u{fe}\u{ed}",
    ] {
        let text = piece.repeat((2 << 20) / piece.len());
        let start = Instant::now();
        assert!(found(&text).len() <= MAX_LEAKS);
        assert!(found(format!("{pem}{text}")).len() <= MAX_LEAKS);
        assert!(start.elapsed().as_secs() < 10, "{piece:?} took {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_scanned(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(scan(&bytes).len() <= MAX_LEAKS);
    }

    /// Pieces of what secrets are made of, in any order.
    #[test]
    fn any_pieces_are_scanned(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                &b"-----BEGIN "[..], b"---- BEGIN ", b"PRIVATE KEY", b" BLOCK", b"-----", b" ----", b"PGP ",
                b"OPENSSH ",
                b"SSH2 ENCRYPTED ", b"ENCRYPTED ", b"\n", b"\\n", b"Proc-Type: 4,ENCRYPTED", b"MIIEvQIBADANBgkq",
                b"b3BlbnNzaC1rZXktdjEA", b"AAAABG5vbmUA", b"P2/56w", b"AAAA", b"lQOYBF", b"LS0tLS1CRUdJTi", b"$6$",
                b"$5$rounds=", b"$y$j9T$", b"$2b$12$", b"$7$", b"abcdefghijklmnopqrstuv", b"AGE-SECRET-KEY-1",
                b"AGE-PLUGIN-A-1", b"QQQQ", b"PuTTY-User-Key-File-2: ", b"Encryption: none",
                b"Private-Lines: 1", b"\xff\xfe",
                b"\x30\x82", b"\x30\x80\x02\x01\x03\x30", b"\x02\x01\x00", b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07",
                b"\xfe\xed\xfe\xed\0\0\0\x02", b"\0\0\0\x01", b"\x95\x01\x02\x04", b"\xc5\xff", b"\0",
            ]),
            0..24,
        ),
    ) {
        prop_assert!(scan(&pieces.concat()).len() <= MAX_LEAKS);
    }
}
