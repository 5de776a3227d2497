use super::*;
use crate::certificate::CertificateFacts;

/// The lock's bytes are a promise: other people's tools diff and sign them.
const GOLDEN: &str = r#"# Written by vaultgen and signed: a change by hand breaks the signature.
version = 1
id = "000102030405060708090a0b0c0d0e0f"
serial = 42
ancestors = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
]

[files]
"vault.toml" = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

[secret."certs/localhost-cert.pem"]
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
recipients = [
    "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2",
]
exposed-to = [
    "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2",
]
created = 2026-11-22T13:51:00Z
rotated = 2026-11-22T13:51:00Z
origin = "imported"
facts = { kind = "certificate", subject = "CN=localhost", issuer = "CN=CA", names = ["127.0.0.1", "localhost"], not-before = 2026-11-22T13:51:00Z, not-after = 2026-11-22T13:51:00Z, key-type = "p256", spki-sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }

[secret."passwords/root.txt"]
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
recipients = [
    "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2",
]
created = 2026-11-22T13:51:00Z
rotated = 2026-11-22T13:51:00Z
origin = "generated"
"#;

fn sample() -> Lock {
    let empty = Digest::of(b"");
    let now: Timestamp = "2026-11-22T13:51:00Z".parse().unwrap();
    let password = LockedSecret {
        sha256: empty,
        recipients: BTreeSet::from(["age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2"
            .parse()
            .unwrap()]),
        exposed_to: BTreeSet::new(),
        created: now,
        rotated: now,
        origin: Origin::Generated,
        facts: None,
    };
    let certificate = LockedSecret {
        origin: Origin::Imported,
        facts: Some(Facts::Certificate(CertificateFacts {
            subject: "CN=localhost".to_owned(),
            issuer: "CN=CA".to_owned(),
            names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            not_before: now,
            not_after: now,
            key_type: "p256".to_owned(),
            spki_sha256: empty,
        })),
        exposed_to: password.recipients.clone(),
        ..password.clone()
    };
    Lock {
        id: "000102030405060708090a0b0c0d0e0f".to_owned().try_into().unwrap(),
        serial: 42,
        ancestors: vec![empty],
        files: BTreeMap::from([("vault.toml".to_owned(), empty)]),
        secrets: BTreeMap::from([
            ("passwords/root.txt".parse().unwrap(), password),
            ("certs/localhost-cert.pem".parse().unwrap(), certificate),
        ]),
        ..Lock::new().unwrap()
    }
}

#[test]
fn the_bytes_are_those_on_record() {
    assert_eq!(sample().to_text().unwrap(), GOLDEN);
}

#[test]
fn reads_what_it_writes() {
    assert_eq!(Lock::parse(GOLDEN).unwrap(), sample());
    let empty = Lock::new().unwrap();
    assert_eq!(Lock::parse(&empty.to_text().unwrap()).unwrap(), empty);
}

#[test]
fn what_is_not_understood_is_refused() {
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("serial = 42", "serial = -1"),
        ("serial = 42", "serial = 42\nsurprise = 1"),
        ("origin = \"generated\"", "origin = \"generated\"\nsize = 6"),
        ("key-type = \"p256\"", "key-type = \"p256\", size = 6"),
        ("000102", "00010G"),
        ("\"passwords/root.txt\"", "\"../root.txt\""),
        ("e3b0c442", "E3B0C442"),
    ] {
        assert!(Lock::parse(&GOLDEN.replacen(from, to, 1)).is_err(), "{to} was taken");
    }
}
