//! Signatures by security keys (FIDO tokens), made by `ssh-keygen -Y sign` with `sk-dummy.so`, the
//! security key of OpenSSH's own tests, over the line `version = 1`.

use vault_format::{
    signature::{self, SignatureError},
    signers::{AllowedSigners, Signer},
    ssh,
};

const LOCK: &[u8] = b"version = 1\n";

/// The key that signed, and the signature.
type Vector = (&'static str, &'static str);

const TOUCHED: [Vector; 2] = [
    (include_str!("security-keys/ed25519.pub"), include_str!("security-keys/ed25519.sig")),
    (include_str!("security-keys/ecdsa.pub"), include_str!("security-keys/ecdsa.sig")),
];
/// By keys that were made with `-O no-touch-required`.
const UNTOUCHED: [Vector; 2] = [
    (
        include_str!("security-keys/ed25519-untouched.pub"),
        include_str!("security-keys/ed25519-untouched.sig"),
    ),
    (include_str!("security-keys/ecdsa-untouched.pub"), include_str!("security-keys/ecdsa-untouched.sig")),
];

fn signer(public_key: &str) -> AllowedSigners {
    let key = ssh::parse_public_key(public_key).expect("a public key");
    AllowedSigners::default().with(Signer::new("token", key).expect("a signer"))
}

#[test]
fn a_touch_signs() {
    for (key, file) in TOUCHED {
        let trusted = signer(key);
        let found = signature::verify(file.as_bytes(), LOCK, &trusted).expect("a signature that holds");
        assert_eq!(found.principal(), "token");
        let other = signature::verify(file.as_bytes(), b"version = 2\n", &trusted);
        assert!(matches!(other, Err(SignatureError::Mismatch)), "{other:?}");
        let others = signer(UNTOUCHED[0].0);
        let other = signature::verify(file.as_bytes(), LOCK, &others);
        assert!(matches!(other, Err(SignatureError::Untrusted(_))), "{other:?}");
    }
}

#[test]
fn a_key_that_nobody_touched_does_not() {
    for (key, file) in UNTOUCHED {
        let trusted = signer(key);
        let refused = signature::verify(file.as_bytes(), LOCK, &trusted);
        assert!(matches!(refused, Err(SignatureError::Untouched)), "{refused:?}");
    }
}

/// Among them the flag for the touch, which nobody can add to a signature that lacks it.
#[test]
fn every_flipped_bit_and_any_junk_is_refused() {
    for (key, file) in TOUCHED.into_iter().chain(UNTOUCHED) {
        let trusted = signer(key);
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.to_owned().into_bytes();
                flipped[at] ^= 1 << bit;
                let refused = signature::verify(&flipped, LOCK, &trusted);
                assert!(refused.is_err(), "bit {bit} of byte {at} of {file}");
            }
        }
        for junk in [format!("{file}\n"), format!("\n{file}"), file.replace('\n', "\r\n")] {
            assert!(signature::verify(junk.as_bytes(), LOCK, &trusted).is_err());
        }
    }
}
