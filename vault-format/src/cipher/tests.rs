use proptest::prelude::*;

use super::{header::NATIVE_STANZAS, *};

fn sample(len: usize) -> (Identities, Vec<u8>) {
    let identities = Identities::generate();
    let plaintext = Plaintext::from(vec![7; len]);
    let file = encrypt(&plaintext, &identities.recipients()).unwrap();
    (identities, file)
}

#[test]
fn length_is_exact_around_every_chunk_border() {
    for len in [0, 1, 6, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1] {
        let (identities, file) = sample(len);
        assert_eq!(plaintext_len(&file).unwrap(), len);
        assert_eq!(decrypt(&file, &identities).unwrap().expose(), vec![7; len]);
    }
}

#[test]
fn header_counts_stanzas_without_a_key() {
    let recipients: Vec<_> = (0..3).flat_map(|_| Identities::generate().recipients()).collect();
    for _ in 0..20 {
        let file = encrypt(&Plaintext::zeroed(1), &recipients).unwrap();
        let header = Header::parse(&file).unwrap();
        assert_eq!(header.stanzas(), ["X25519", "X25519", "X25519"]);
        assert!(header.grease() <= 1);
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let (identities, file) = sample(6);
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1;
        assert!(decrypt(&flipped, &identities).is_err(), "byte {at}");
        assert!(decrypt(&file[..at], &identities).is_err(), "cut at {at}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(decrypt(&longer, &identities).is_err());
}

#[test]
fn another_identity_opens_nothing() {
    let (_, file) = sample(6);
    assert!(matches!(decrypt(&file, &Identities::generate()), Err(CipherError::NoMatchingIdentity)));
    assert!(matches!(decrypt(&file, &Identities::none()), Err(CipherError::NoMatchingIdentity)));
}

#[test]
fn a_header_without_end_is_refused_without_reading_on() {
    let mut bomb = VERSION_LINE.to_vec();
    bomb.extend(b"-> X25519 AAAA\nAAAA\n".repeat(100_000));
    assert!(matches!(Header::parse(&bomb), Err(CipherError::Header)));
}

#[test]
fn as_many_recipients_as_may_be_can_be_read_again_and_no_more() {
    let operator = Identities::generate();
    let mut recipients = operator.recipients();
    while recipients.len() < MAX_RECIPIENTS {
        recipients.extend(Identities::generate().recipients());
    }
    let file = encrypt(&Plaintext::zeroed(6), &recipients).unwrap();
    assert_eq!(Header::parse(&file).unwrap().stanzas().len(), MAX_RECIPIENTS);
    assert_eq!(decrypt(&file, &operator).unwrap().expose(), [0; 6]);

    recipients.extend(Identities::generate().recipients());
    let refused = encrypt(&Plaintext::zeroed(6), &recipients);
    assert!(matches!(refused, Err(CipherError::TooManyRecipients)));
}

/// Fewer keys of RSA fit, whose stanzas are longer.
#[test]
fn a_file_that_could_not_be_read_again_is_not_written() {
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDDxRWQugxWEHN0naWGV7JtTmvcy1pUVzQbKmUbvMq88at1O0vI6QjMHU5DDf7U0GIUlmnq8OwT7w6BbdKJHZSTkiG/9LNMYj/huzHtGz/zAS/J+K6BZsCMKv9axL/Mm99ga+mEiVoabJu6wS8pfQOPcnJztJL7jx5A0lQJAbywlqzjsst+4wTGYBLQcNT5EjkB56j0Hr9KOdUsga2z4ocS0479mCwOUT8a2WhzSAj9Pcw/cfMjFRSjlr+Urq5Fv9Ql1ZPzfGyixetBZGiNDnvcTR9GIFUGiBoUfq0bo42GoFX4/vuyHdHZW6I9TUmLy2KaOK/Ag/7aPD2adpLbOdCf";
    let rsa: Recipient = RSA.parse().unwrap();
    assert!(encrypt(&Plaintext::zeroed(6), std::iter::repeat_n(&rsa, 300)).is_ok());
    let refused = encrypt(&Plaintext::zeroed(6), std::iter::repeat_n(&rsa, 400));
    assert!(matches!(refused, Err(CipherError::TooManyRecipients)));
}

/// A header of `len` bytes at most that is well-formed but for its MAC, and some payload.
fn hostile(stanza: &str, len: usize) -> Vec<u8> {
    let end = format!("--- {}\n", "A".repeat(43));
    let count = (len - VERSION_LINE.len() - end.len()) / stanza.len();
    let mut file = VERSION_LINE.to_vec();
    file.extend(stanza.repeat(count).bytes());
    file.extend(end.bytes());
    file.extend([0; NONCE + TAG]);
    file
}

/// The age crate's own reader takes minutes for this one: its time grows with the square.
#[test]
fn a_header_of_very_many_stanzas_costs_no_more_than_its_length() {
    let file = hostile("-> a\n\n", MAX_HEADER);
    assert!(Header::parse(&file).unwrap().stanzas().len() > 20_000);
    assert!(matches!(decrypt(&file, &Identities::generate()), Err(CipherError::NoMatchingIdentity)));
}

#[test]
fn a_header_beyond_the_limit_is_refused_by_every_way_in() {
    let file = hostile("-> a\n\n", MAX_HEADER + 100);
    let mut buffer = [0; 0];
    let refused = [
        Header::parse(&file).unwrap_err(),
        plaintext_len(&file).unwrap_err(),
        decrypt(&file, &Identities::none()).unwrap_err(),
        decrypt_into(&file, &Identities::none(), &mut buffer).unwrap_err(),
    ];
    assert!(refused.iter().all(|error| matches!(error, CipherError::Header)));
}

/// scrypt at 2^30 would take a terabyte of memory: it must not even be tried.
#[test]
fn a_passphrase_file_costs_nothing() {
    let file =
        hostile("-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 200);
    assert!(matches!(decrypt(&file, &Identities::generate()), Err(CipherError::Passphrase)));
}

#[test]
fn a_plaintext_beyond_the_limit_is_refused_by_its_length_alone() {
    let start = hostile("-> a\n\n", 100);
    let whole = start.len() - TAG + MAX_PLAINTEXT + MAX_PLAINTEXT.div_ceil(CHUNK) * TAG;
    // Pages that nobody writes to take no memory.
    let mut file = vec![0; whole + TAG + 1];
    file[..start.len()].copy_from_slice(&start);
    assert_eq!(plaintext_len(&file[..whole]).unwrap(), MAX_PLAINTEXT);
    assert!(whole <= MAX_CIPHERTEXT);
    assert!(matches!(plaintext_len(&file), Err(CipherError::TooLong)));
}

#[test]
fn a_buffer_of_another_length_is_refused() {
    let (identities, file) = sample(6);
    for len in [0, 5, 7] {
        assert!(decrypt_into(&file, &identities, &mut vec![0; len]).is_err(), "{len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_recipient_reads_what_was_written_and_nobody_else(
        len in 0..(3 * CHUNK + 2),
        seed: u8,
        recipients in 1..6_usize,
        noise in (any::<proptest::sample::Index>(), 1..=255_u8),
    ) {
        let bytes: Vec<u8> = (0..=250).cycle().map(|byte: u8| byte ^ seed).take(len).collect();
        let readers: Vec<_> = (0..recipients).map(|_| Identities::generate()).collect();
        let keys: Vec<_> = readers.iter().flat_map(Identities::recipients).collect();
        let mut file = encrypt(&Plaintext::from(bytes.clone()), &keys).unwrap();
        prop_assert_eq!(plaintext_len(&file).unwrap(), len);
        prop_assert_eq!(Header::parse(&file).unwrap().stanzas().len(), recipients);
        for reader in &readers {
            let plaintext = decrypt(&file, reader).unwrap();
            prop_assert_eq!(plaintext.expose(), &bytes);
        }
        prop_assert!(decrypt(&file, &Identities::generate()).is_err());
        let at = noise.0.index(file.len());
        file[at] ^= noise.1;
        prop_assert!(decrypt(&file, &readers[0]).is_err(), "byte {} changed", at);
    }
}

/// What is not a plugin's is counted exactly, and what is left must be a plugin's.
#[test]
fn stanzas_fit_the_recipients_that_they_are_for() {
    let native = Identities::generate().recipients().pop_first().unwrap();
    let plugin = |text: &str| text.parse::<Recipient>().unwrap();
    let [foo, bar] = [plugin("age1foo1qqqqqqqq7h0uur"), plugin("age1a+b-c.d_e1qqqqqqqq52zhk6")];
    let fits = |stanzas: &[&str], grease, recipients: &[&Recipient]| {
        let stanzas = stanzas.iter().map(|&tag| tag.to_owned()).collect();
        let recipients = recipients.iter().map(|&recipient| recipient.clone()).collect();
        Header { len: 0, stanzas, grease }.fits(&recipients)
    };
    assert!(fits(&["X25519"], 1, &[&native]));
    assert!(!fits(&["X25519"], 2, &[&native]));
    assert!(!fits(&["X25519", "X25519"], 0, &[&native]));
    assert!(!fits(&["X25519", "foo"], 0, &[&native]));
    assert!(!fits(&["ssh-ed25519"], 0, &[&native]));
    assert!(fits(&["foo", "X25519"], 1, &[&native, &foo]));
    assert!(fits(&["foo", "X25519", "foo", "other"], 0, &[&native, &foo]));
    assert!(fits(&["foo", "foo"], 0, &[&foo, &bar]));
    assert!(!fits(&["foo", "X25519"], 0, &[&native, &foo, &bar]));
    assert!(!fits(&["X25519"], 1, &[&native, &foo]));
    assert!(!fits(&["X25519", "X25519"], 0, &[&native, &foo]));
    for native_type in NATIVE_STANZAS {
        assert!(!fits(&["foo", native_type], 0, &[&foo]), "{native_type}");
    }
    assert!(!fits(&["foo", "foo"], 2, &[&foo]));
}
