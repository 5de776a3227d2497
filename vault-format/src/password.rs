//! Passwords: made, judged, and hashed for crypt(5).

use miette::Diagnostic;
use rand::{TryRngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use sha_crypt::CustomizedPasswordHasher;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::Plaintext;

/// Words in a generated password.
const WORDS: usize = 7;
/// The BIP-39 list has 2,048 words of 3 to 8 letters: 11 bits each.
const BITS_PER_WORD: usize = 11;
/// Strength of a generated password in bits.
pub const GENERATED_BITS: usize = WORDS * BITS_PER_WORD;
const LONGEST_WORD: usize = 8;

/// Longest password in bytes: libxcrypt's `CRYPT_MAX_PASSPHRASE_SIZE` less its NUL.
pub const MAX_BYTES: usize = 511;
/// What pgAdmin asks of a password at least, in characters.
pub const MIN_CHARS: usize = 6;

/// sha512crypt at 100,000 rounds: about 20 times the default of crypt(5), still well below a
/// second on a small machine.
const SHA512_ROUNDS: u32 = 100_000;
/// Exactly 12 bytes: they make 16 characters, the most that sha512crypt uses of a salt.
const SHA512_SALT: usize = 12;
/// crypt(5) recommends 128 bits of salt.
const YESCRYPT_SALT: usize = 16;
/// Longest parameters of yescrypt in characters: each of its eight has six at most.
const MAX_COST: usize = 48;

/// A password that was checked to be one that login, Odoo and pgAdmin all take.
#[derive(Clone, Debug)]
pub struct Password(Plaintext);

impl Password {
    /// Makes a memorable password of [`GENERATED_BITS`] bits: seven words of the BIP-39 list
    /// (which differ in their first four letters) joined by dashes.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn generate() -> Result<Self, PasswordError> {
        let words = bip39::Language::English.word_list();
        let mut text = Zeroizing::new(String::with_capacity(WORDS * (LONGEST_WORD + 1)));
        let mut random = Zeroizing::new([0; WORDS * 2]);
        OsRng.try_fill_bytes(&mut *random).map_err(|_| PasswordError::Randomness)?;
        for pair in random.chunks_exact(2) {
            if !text.is_empty() {
                text.push('-');
            }
            // 65,536 is a multiple of 2,048, so the remainder is uniform.
            text.push_str(words[usize::from(u16::from_le_bytes([pair[0], pair[1]])) % words.len()]);
        }
        Ok(Self(Plaintext::from(text)))
    }

    /// Takes a password that a person entered.
    ///
    /// # Errors
    ///
    /// If it is too short or too long, has a control character (login cannot take it) or
    /// white space at an end (forms trim it).
    pub fn entered(text: Zeroizing<String>) -> Result<Self, PasswordError> {
        if text.chars().count() < MIN_CHARS {
            return Err(PasswordError::Short);
        }
        if text.len() > MAX_BYTES {
            return Err(PasswordError::Long);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordError::Control);
        }
        if text.trim().len() != text.len() {
            return Err(PasswordError::WhiteSpace);
        }
        Ok(Self(Plaintext::from(text)))
    }

    /// Refuses a password that an attacker would guess within about 10^8 tries, by the estimate
    /// of zxcvbn. Entered passwords must be strong: age ciphertext shows their length.
    ///
    /// # Errors
    ///
    /// If it is weak, with the reason.
    pub fn judge(self) -> Result<Self, PasswordError> {
        let estimate = zxcvbn::zxcvbn(self.0.expose_str().unwrap_or_default(), &["odoo", "odbox", "pgadmin"]);
        if estimate.score() >= zxcvbn::Score::Three {
            return Ok(self);
        }
        let warning = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning);
        let reason =
            warning.map_or_else(|| "it is too easy to guess".to_owned(), |warning| warning.to_string());
        Err(PasswordError::Weak(reason.trim_end_matches('.').to_owned()))
    }

    /// The password itself.
    #[must_use]
    pub fn plaintext(&self) -> &Plaintext {
        &self.0
    }

    /// Hashes the password with a random salt. The result is one crypt(5) string without a
    /// trailing newline, as `chpasswd -e` and shadow(5) take it.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn hash(&self, scheme: HashScheme) -> Result<Plaintext, PasswordError> {
        let hash = match scheme {
            HashScheme::Sha512 => {
                let params = sha_crypt::Params::new(SHA512_ROUNDS).map_err(|_| PasswordError::Hash)?;
                sha_crypt::ShaCrypt::SHA512
                    .hash_password_customized(self.0.expose(), &salt::<SHA512_SALT>()?, None, None, params)
                    .map_err(|_| PasswordError::Hash)?
                    .to_string()
            }
            HashScheme::Yescrypt => yescrypt::PasswordHasher::hash_password_with_salt(
                &yescrypt::Yescrypt::default(),
                self.0.expose(),
                &salt::<YESCRYPT_SALT>()?,
            )
            .map_err(|_| PasswordError::Hash)?
            .to_string(),
        };
        Ok(Plaintext::from(hash))
    }
}

/// Which passwords are taken of those that login can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Those that [`Password::judge`] finds strong.
    Strong,
    /// All.
    Any,
}

impl Strength {
    /// Takes a password that a person entered.
    ///
    /// # Errors
    ///
    /// As [`Password::entered`], and as [`Password::judge`] where it must be strong.
    pub fn take(self, text: Zeroizing<String>) -> Result<Password, PasswordError> {
        let password = Password::entered(text)?;
        if self == Self::Any { Ok(password) } else { password.judge() }
    }
}

/// Whether `hash` is a crypt(5) hash of `password`; nothing where it is no hash of a known scheme.
#[must_use]
pub fn is_hash_of(hash: &Plaintext, password: &Plaintext) -> Option<bool> {
    let facts = HashFacts::of(hash).ok()?;
    let text = hash.expose_str()?;
    let verified = if facts.scheme == "yescrypt" {
        yescrypt::PasswordVerifier::<str>::verify_password(
            &yescrypt::Yescrypt::default(),
            password.expose(),
            text,
        )
    } else {
        let hash = sha_crypt::PasswordHashRef::new(text).ok()?;
        sha_crypt::PasswordVerifier::verify_password(&sha_crypt::ShaCrypt::SHA512, password.expose(), hash)
    };
    Some(verified.is_ok())
}

fn salt<const LEN: usize>() -> Result<[u8; LEN], PasswordError> {
    let mut salt = [0; LEN];
    OsRng.try_fill_bytes(&mut salt).map_err(|_| PasswordError::Randomness)?;
    Ok(salt)
}

/// A way to hash a password, of crypt(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashScheme {
    /// sha512crypt, `$6$`, for systems that have nothing better.
    Sha512,
    /// yescrypt, `$y$`, Debian's default.
    Yescrypt,
}

impl HashScheme {
    /// The ending of the secret's name after a dot, as Odoo Box spells it.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Sha512 => "sha512",
            Self::Yescrypt => "yesc",
        }
    }
}

/// The public facts of a hash: what an auditor may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashFacts {
    /// The scheme's name in crypt(5): `sha512crypt` or `yescrypt`.
    pub scheme: String,
    /// The cost parameter as it stands in the hash, such as `rounds=100000` or `j9T`.
    pub cost: String,
}

impl HashFacts {
    /// The facts of a crypt(5) string.
    ///
    /// # Errors
    ///
    /// If it is no hash of a known scheme. What is not a hash through and through might be the
    /// password itself, and none of it may become a public fact.
    pub fn of(hash: &Plaintext) -> Result<Self, PasswordError> {
        let text = hash.expose_str().ok_or(PasswordError::Unknown)?;
        // Tools of old left a newline behind the hash.
        let fields: Vec<_> = text.trim_end_matches(['\r', '\n']).split('$').collect();
        let (scheme, cost) = match fields[..] {
            ["", "6", salt, hash] if is_sha512(salt, hash) => ("sha512crypt", "rounds=5000"),
            ["", "6", rounds, salt, hash] if is_rounds(rounds) && is_sha512(salt, hash) => {
                ("sha512crypt", rounds)
            }
            ["", "y", cost, salt, hash] if is_yescrypt(cost, salt, hash) => ("yescrypt", cost),
            _ => return Err(PasswordError::Unknown),
        };
        Ok(Self { scheme: scheme.to_owned(), cost: cost.to_owned() })
    }
}

fn is_rounds(text: &str) -> bool {
    let digits = text.strip_prefix("rounds=").unwrap_or_default();
    (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Salt and hash of crypt(5): 64 bytes make 86 characters.
fn is_sha512(salt: &str, hash: &str) -> bool {
    salt.len() <= 16 && hash.len() == 86 && is_crypt_text(salt) && is_crypt_text(hash)
}

/// Parameters, salt and hash of crypt(5): 32 bytes make 43 characters.
fn is_yescrypt(cost: &str, salt: &str, hash: &str) -> bool {
    (1..=MAX_COST).contains(&cost.len())
        && salt.len() <= 86
        && hash.len() == 43
        && [cost, salt, hash].into_iter().all(is_crypt_text)
}

/// Whether all characters are of crypt(5)'s base64.
fn is_crypt_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
}

/// Reads one line from `input`, without its end, into a buffer that is wiped.
///
/// # Errors
///
/// If reading fails, or the line is longer than a password may be.
pub fn read_line(input: &mut impl std::io::Read) -> std::io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2));
    let mut byte = Zeroizing::new([0; 1]);
    loop {
        match input.read_exact(&mut *byte) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        if byte[0] == b'\n' {
            break;
        }
        if bytes.len() == bytes.capacity() {
            return Err(std::io::Error::other("the line is longer than a password may be"));
        }
        bytes.push(byte[0]);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        std::io::Error::other("the line is not UTF-8")
    })
}

/// Why a password is not taken. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum PasswordError {
    /// Fewer than [`MIN_CHARS`] characters.
    #[error("the password is too short")]
    #[diagnostic(help(
        "use six characters at least (pgAdmin asks for them), better a dozen; an empty answer generates one"
    ))]
    Short,
    /// More than [`MAX_BYTES`] bytes.
    #[error("the password is too long")]
    #[diagnostic(help("login takes 511 bytes at most"))]
    Long,
    /// A character that no login prompt can take.
    #[error("the password has a control character")]
    #[diagnostic(help("use characters that a keyboard types"))]
    Control,
    /// White space that a form would trim.
    #[error("the password starts or ends with white space")]
    #[diagnostic(help("web forms cut it off; leave it out"))]
    WhiteSpace,
    /// Easy to guess.
    #[error("the password is weak: {0}")]
    #[diagnostic(help(
        "use several uncommon words, or let one be generated; `vaultgen password NAME --allow-weak` takes it as it is"
    ))]
    Weak(String),
    /// Not a crypt(5) string that we know.
    #[error("it is no sha512crypt or yescrypt hash")]
    #[diagnostic(help("make the hash anew from its password: `vaultgen password NAME`"))]
    Unknown,
    /// The hash function failed.
    #[error("cannot hash the password")]
    Hash,
    /// No randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entered(text: &str) -> Result<Password, PasswordError> {
        Password::entered(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn generated_passwords_are_strong_distinct_and_never_grow_their_buffer() {
        let a = Password::generate().unwrap();
        let b = Password::generate().unwrap();
        assert_ne!(a.plaintext(), b.plaintext());
        let text = a.plaintext().expose_str().unwrap();
        assert_eq!(text.split('-').count(), WORDS);
        assert!(a.clone().judge().is_ok());
        assert_eq!(bip39::Language::English.word_list().len(), 1 << BITS_PER_WORD);
        assert!(bip39::Language::English.word_list().iter().all(|word| word.len() <= LONGEST_WORD));
    }

    #[test]
    fn what_login_or_a_form_would_change_is_refused() {
        assert!(matches!(entered("abc12"), Err(PasswordError::Short)));
        assert!(matches!(entered(&"x".repeat(512)), Err(PasswordError::Long)));
        assert!(matches!(entered("abc\0def"), Err(PasswordError::Control)));
        assert!(matches!(entered("abc\tdef"), Err(PasswordError::Control)));
        assert!(matches!(entered(" abcdef"), Err(PasswordError::WhiteSpace)));
        assert!(entered("größe-µ-日本語").is_ok());
    }

    #[test]
    fn weak_passwords_get_a_reason_that_does_not_repeat_them() {
        let error = entered("password1").unwrap().judge().unwrap_err().to_string();
        assert!(error.contains("weak") && !error.contains("password1"), "{error}");
    }

    #[test]
    fn facts_show_scheme_and_cost_but_no_salt() {
        let password = entered("abc123").unwrap();
        let sha512 = HashFacts::of(&password.hash(HashScheme::Sha512).unwrap()).unwrap();
        assert_eq!((sha512.scheme.as_str(), sha512.cost.as_str()), ("sha512crypt", "rounds=100000"));
        let yescrypt = HashFacts::of(&password.hash(HashScheme::Yescrypt).unwrap()).unwrap();
        assert_eq!((yescrypt.scheme.as_str(), yescrypt.cost.as_str()), ("yescrypt", "j9T"));
        let hash = "h".repeat(86);
        for none in [
            "$1$x$y".to_owned(),
            "$y$hunter2".to_owned(),
            "$y$hunter2$salt$hash".to_owned(),
            format!("$y${}$salt${}", "x".repeat(MAX_COST + 1), &hash[..43]),
            format!("hunter2$6$salt${hash}"),
            format!("$6$rounds=hunter2$salt${hash}"),
            "$6$rounds=5000$hunter2$hash".to_owned(),
            format!("$6$salt${hash}$hunter2"),
        ] {
            assert!(HashFacts::of(&Plaintext::from(none.clone())).is_err(), "{none} was taken");
        }
        let default = Plaintext::from(format!("$6$saltsalt${}\n", "h".repeat(86)));
        assert_eq!(HashFacts::of(&default).unwrap().cost, "rounds=5000");
    }

    #[test]
    fn a_hash_is_of_its_password_and_of_no_other() {
        let (right, wrong) = (entered("abc123").unwrap(), entered("abc124").unwrap());
        for scheme in [HashScheme::Sha512, HashScheme::Yescrypt] {
            let hash = right.hash(scheme).unwrap();
            assert_eq!(is_hash_of(&hash, right.plaintext()), Some(true));
            assert_eq!(is_hash_of(&hash, wrong.plaintext()), Some(false));
        }
        assert_eq!(is_hash_of(&Plaintext::from("no hash".to_owned()), right.plaintext()), None);
    }

    #[test]
    fn a_line_is_read_without_its_end() {
        for text in ["abc123\nrest", "abc123\r\n", "abc123"] {
            assert_eq!(&*read_line(&mut text.as_bytes()).unwrap(), "abc123");
        }
        assert!(read_line(&mut [b'x'; 600].as_slice()).is_err());
        assert!(read_line(&mut [0xff, b'\n'].as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn facts_of_a_hash_are_its_scheme_and_cost(
            rounds in proptest::option::of(1_000..=999_999_999_u32),
            salt in "[./0-9A-Za-z]{0,16}",
            hash in "[./0-9A-Za-z]{86}",
            cost in "j[./0-9A-Za-z]{2,8}",
        ) {
            let rounds = rounds.map(|rounds| format!("rounds={rounds}"));
            let field = rounds.as_ref().map(|rounds| format!("{rounds}$")).unwrap_or_default();
            let sha512 = HashFacts::of(&Plaintext::from(format!("$6${field}{salt}${hash}"))).unwrap();
            prop_assert_eq!(sha512.cost, rounds.unwrap_or_else(|| "rounds=5000".to_owned()));
            let yescrypt = HashFacts::of(&Plaintext::from(format!("$y${cost}${salt}${}", &hash[..43]))).unwrap();
            prop_assert_eq!(yescrypt.cost, cost);
        }

        /// A password that somebody stored where its hash belongs must not end up in the lock.
        #[test]
        fn what_is_no_hash_has_no_facts(password in "[$6y]{0,4}\\PC{0,40}[$y6]{0,3}\\PC{0,20}") {
            prop_assert!(HashFacts::of(&Plaintext::from(password)).is_err());
        }
    }
}
