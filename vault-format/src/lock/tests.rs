use proptest::{collection, option, prelude::*};

use super::*;
use crate::{certificate::CertificateFacts, password::HashFacts};

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
        ("facts = { kind = \"certificate\"", "facts = { kind = \"private-key\", size = 6"),
        ("000102", "00010G"),
        ("\"passwords/root.txt\"", "\"../root.txt\""),
        ("e3b0c442", "E3B0C442"),
    ] {
        assert!(Lock::parse(&GOLDEN.replacen(from, to, 1)).is_err(), "{to} was taken");
    }
}

#[test]
fn facts_of_every_kind_are_refused_with_a_key_too_many() {
    let digest = Digest::of(b"");
    for facts in [
        format!("kind = \"private-key\", spki-sha256 = \"{digest}\""),
        "kind = \"ssh-key\", fingerprint = \"SHA256:x\"".to_owned(),
        "kind = \"password-hash\", scheme = \"yescrypt\", cost = \"j9T\"".to_owned(),
    ] {
        let with = |facts: &str| {
            Lock::parse(
                &GOLDEN.replace("\"generated\"\n", &format!("\"generated\"\nfacts = {{ {facts} }}\n")),
            )
        };
        assert!(with(&facts).is_ok(), "{facts}");
        assert!(with(&format!("{facts}, size = 6")).is_err(), "{facts}");
    }
}

#[test]
fn a_lock_may_name_512_ancestors_and_no_more() {
    let mut lock = sample();
    lock.ancestors = vec![Digest::of(b""); MAX_ANCESTORS];
    assert_eq!(Lock::parse(&lock.to_text().unwrap()).unwrap(), lock);
    lock.ancestors.push(Digest::of(b""));
    assert!(matches!(Lock::parse(&lock.to_text().unwrap()), Err(LockError::Ancestors)));
}

/// The parser of TOML bounds how deep values nest; without that its recursion would end us.
#[test]
fn a_lock_that_nests_deep_is_refused() {
    for text in [
        format!("ancestors = {}", "[".repeat(100_000)),
        format!("ancestors = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("files = {}", "{a=".repeat(100_000)),
        format!("files.{}a = 1", "a.".repeat(100_000)),
        format!("[files.{}a]", "a.".repeat(100_000)),
        format!("[[files.{}a]]", "a.".repeat(100_000)),
    ] {
        assert!(Lock::parse(&text).is_err());
    }
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<u64>().prop_map(|seed| Digest::of(&seed.to_le_bytes()))
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_i64..=253_402_300_799)
        .prop_map(|second| Timestamp::from(time::OffsetDateTime::from_unix_timestamp(second).unwrap()))
}

fn facts() -> impl Strategy<Value = Facts> {
    let certificate = (
        (any::<String>(), any::<String>(), collection::vec(any::<String>(), 0..3)),
        (timestamp(), timestamp(), any::<String>(), digest()),
    );
    prop_oneof![
        certificate.prop_map(|((subject, issuer, names), (not_before, not_after, key_type, spki_sha256))| {
            let facts =
                CertificateFacts { subject, issuer, names, not_before, not_after, key_type, spki_sha256 };
            Facts::Certificate(facts)
        }),
        digest().prop_map(|spki_sha256| Facts::PrivateKey { spki_sha256 }),
        any::<String>().prop_map(|fingerprint| Facts::SshKey { fingerprint }),
        (any::<String>(), any::<String>())
            .prop_map(|(scheme, cost)| Facts::PasswordHash(HashFacts { scheme, cost })),
    ]
}

fn secret() -> impl Strategy<Value = LockedSecret> {
    let origin = prop_oneof![Just(Origin::Generated), Just(Origin::Entered), Just(Origin::Imported)];
    let keys = |most: usize| {
        (0..most).prop_map(|count| {
            (0..count).flat_map(|_| crate::Identities::generate().recipients()).collect::<BTreeSet<_>>()
        })
    };
    (digest(), (keys(4), keys(3)), timestamp(), timestamp(), origin, option::of(facts())).prop_map(
        |(sha256, (recipients, exposed_to), created, rotated, origin, facts)| LockedSecret {
            sha256,
            recipients,
            exposed_to,
            created,
            rotated,
            origin,
            facts,
        },
    )
}

fn lock() -> impl Strategy<Value = Lock> {
    (
        any::<[u8; 16]>(),
        0..=i64::MAX as u64,
        collection::vec(digest(), 0..5),
        collection::btree_map(any::<String>(), digest(), 0..5),
        collection::btree_map("[a-z.=@/]{1,8}[a-z0-9]", secret(), 0..5),
    )
        .prop_map(|(id, serial, ancestors, files, secrets)| Lock {
            version: VERSION,
            id: VaultId(hex::encode(id)),
            serial,
            ancestors,
            files,
            secrets: secrets
                .into_iter()
                .filter_map(|(name, secret)| Some((name.parse().ok()?, secret)))
                .collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_lock_reads_back_and_is_stable_to_the_byte(lock in lock()) {
        let text = lock.to_text().unwrap();
        let read = Lock::parse(&text).unwrap();
        prop_assert_eq!(&read, &lock);
        prop_assert_eq!(written::read(&text), Some(lock));
        prop_assert_eq!(read.to_text().unwrap(), text);
    }
}
