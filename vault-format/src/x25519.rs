//! X25519 identities that know their public key (<https://c2sp.org/age#x25519-recipient-stanza>).
//!
//! The salt of each stanza has our public key in it, which the age crate computes anew for each file: a sixth of the
//! time that a small one takes. All else is as there, over the same primitives.

use std::fmt;

use age::DecryptError;
use age_core::{
    format::FILE_KEY_BYTES,
    primitives::{aead_decrypt, bech32_decode, hkdf},
    secrecy::{ExposeSecret, SecretString},
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::plugin::{FileKey, Stanza};

const TAG: &str = "X25519";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
/// A file key and its authentication tag.
const BODY: usize = FILE_KEY_BYTES + 16;

/// A private key, its public key, and how it is written.
pub(crate) struct X25519Key {
    secret: StaticSecret,
    public: PublicKey,
    identity: age::x25519::Identity,
}

impl X25519Key {
    /// The key of an identity; nothing where it is not written as the age crate writes it.
    pub(crate) fn new(identity: age::x25519::Identity) -> Option<Self> {
        let text = identity.to_string();
        let secret = bech32_decode(text.expose_secret(), drop, |_| Ok(()), |_, bytes| secret(bytes)).ok()?;
        Some(Self { public: PublicKey::from(&secret), secret, identity })
    }

    /// The key as a line of an identity file.
    pub(crate) fn text(&self) -> SecretString {
        self.identity.to_string()
    }

    /// The salt that whoever wrapped a file key for us has used.
    fn salt(&self, share: &PublicKey) -> [u8; 64] {
        let mut salt = [0; 64];
        salt[..32].copy_from_slice(share.as_bytes());
        salt[32..].copy_from_slice(self.public.as_bytes());
        salt
    }
}

/// 32 bytes, in a buffer that does not grow.
fn secret(bytes: impl Iterator<Item = u8>) -> Result<StaticSecret, ()> {
    let mut key = Zeroizing::new([0; 32]);
    let mut bytes = bytes;
    for byte in key.iter_mut() {
        *byte = bytes.next().ok_or(())?;
    }
    bytes.next().map_or(Ok(StaticSecret::from(*key)), |_| Err(()))
}

impl age::Identity for X25519Key {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != TAG {
            return None;
        }
        let invalid = || Some(Err(DecryptError::InvalidHeader));
        let Some(share) = share(stanza).filter(|_| stanza.body.len() == BODY) else { return invalid() };
        let shared = self.secret.diffie_hellman(&share);
        // A share of low order: everybody knows what comes of it.
        if !shared.was_contributory() {
            return invalid();
        }
        let key = Zeroizing::new(hkdf(&self.salt(&share), LABEL, shared.as_bytes()));
        // A failure means that the stanza is somebody else's.
        let mut opened = aead_decrypt(&key, FILE_KEY_BYTES, &stanza.body).ok()?;
        Some(Ok(FileKey::init_with_mut(|file_key| {
            file_key.copy_from_slice(&opened);
            opened.zeroize();
        })))
    }
}

/// The ephemeral share: the one argument, in the one spelling that it has.
fn share(stanza: &Stanza) -> Option<PublicKey> {
    let [argument] = stanza.args.as_slice() else { return None };
    let share: [u8; 32] = BASE64_STANDARD_NO_PAD.decode(argument).ok()?.try_into().ok()?;
    Some(share.into())
}

impl fmt::Debug for X25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X25519Key")
    }
}

#[cfg(test)]
mod tests {
    use age::Identity;
    use age_core::secrecy::ExposeSecret;
    use proptest::prelude::*;

    use super::X25519Key;
    use crate::plugin::Stanza;

    /// The file key, or why there is none, as something to compare.
    fn outcome(identity: &dyn Identity, stanza: &Stanza) -> Option<Result<[u8; 16], String>> {
        let opened = identity.unwrap_stanza(stanza)?;
        Some(opened.map(|key| *key.expose_secret()).map_err(|error| error.to_string()))
    }

    fn keys() -> (age::x25519::Identity, X25519Key) {
        let theirs = age::x25519::Identity::generate();
        let ours = X25519Key::new(theirs.clone()).expect("a key");
        (theirs, ours)
    }

    /// A stanza with the file key of sevens for one of them.
    fn stanza_for(identity: &age::x25519::Identity) -> Stanza {
        let key = age_core::format::FileKey::init_with_mut(|key| key.fill(7));
        let recipient: &dyn age::Recipient = &identity.to_public();
        recipient.wrap_file_key(&key).expect("wrapped").0.remove(0)
    }

    #[test]
    fn opens_what_the_age_crate_opens_and_nothing_else() {
        let (theirs, ours) = keys();
        let (other, _) = keys();
        assert_eq!(outcome(&ours, &stanza_for(&theirs)), Some(Ok([7; 16])));
        assert_eq!(outcome(&ours, &stanza_for(&other)), None);
        assert_eq!(ours.text().expose_secret(), theirs.to_string().expose_secret());
        // Shares of low order, of which 0 and 1 are two.
        for byte in ["A", "B"] {
            let share = format!("{}{}", if byte == "A" { "AA" } else { "AQ" }, "A".repeat(41));
            let stanza = Stanza { args: vec![share], ..stanza_for(&theirs) };
            assert!(matches!(outcome(&ours, &stanza), Some(Err(_))), "{stanza:?}");
            assert_eq!(outcome(&ours, &stanza), outcome(&theirs, &stanza));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_age_crate_on_whatever_is_changed(
            tag in "X25519|x25519|X25519-grease|ssh-ed25519",
            argument in prop::option::of("[A-Za-z0-9+/]{42,44}=?"),
            more in prop::collection::vec("[A-Za-z0-9]{1,3}", 0..2),
            flip in prop::option::of((0_usize..32, 0_u8..8)),
            length in prop_oneof![8 => Just(32_usize), 1 => 0_usize..40],
        ) {
            let (theirs, ours) = keys();
            let mut stanza = stanza_for(&theirs);
            stanza.tag = tag;
            if let Some(argument) = argument {
                stanza.args[0] = argument;
            }
            stanza.args.extend(more);
            if let Some((at, bit)) = flip {
                stanza.body[at] ^= 1 << bit;
            }
            stanza.body.resize(length, 0);
            prop_assert_eq!(outcome(&ours, &stanza), outcome(&theirs, &stanza));
        }
    }
}
