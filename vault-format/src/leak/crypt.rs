//! Password hashes of crypt(5), told from examples by their exact lengths.

use super::{HashFormat, Judged, Secret};

/// Fewer different characters than this are no hash of anything, but somebody's `xxxxx…`.
const FEWEST_CHARACTERS: usize = 8;
/// Longest parameters of yescrypt in characters: each of its eight has six at most.
const MAX_COST: usize = 48;
/// Longest salt of yescrypt and scrypt: 64 bytes.
const MAX_SALT: usize = 86;
/// The last character of a hash has the bits that are left over: two of them (16 and 64 bytes), or four (32 bytes).
const TWO_BITS: &[u8] = b"./01";
const FOUR_BITS: &[u8] = b"./0123456789ABCD";

/// Judges the hash whose prefix is at `at` up to `from`.
pub(super) fn hash(text: &[u8], at: usize, from: usize, format: HashFormat) -> Judged {
    let mut fields = Fields { rest: &text[from..] };
    let what = fields.fits(format).map(|()| Secret::PasswordHash(format));
    let end = if what.is_some() { text.len() - fields.rest.len() } else { at + 1 };
    Judged { what, end }
}

/// What is left of a hash, read field by field. No field has a `$` in it, so that a text full of prefixes is read a
/// few times and not many.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn fits(&mut self, format: HashFormat) -> Option<()> {
        match format {
            HashFormat::Md5 | HashFormat::Apr1 => {
                self.salt(8)?;
                self.digest(22, TWO_BITS)
            }
            HashFormat::Bcrypt => {
                let cost = self.field(2, u8::is_ascii_digit)?;
                let is_cost = (4..=31).contains(&((cost[0] - b'0') * 10 + (cost.get(1)? - b'0')));
                // Salt and digest: not all programs leave the spare bits of the salt empty.
                if is_cost { self.digest(53, &[]) } else { None }
            }
            HashFormat::Sha256 | HashFormat::Sha512 => {
                if let Some(rounds) = self.rest.strip_prefix(b"rounds=") {
                    self.rest = rounds;
                    self.field(9, u8::is_ascii_digit)?;
                }
                self.salt(16)?;
                if format == HashFormat::Sha256 {
                    self.digest(43, FOUR_BITS)
                } else {
                    self.digest(86, TWO_BITS)
                }
            }
            HashFormat::Scrypt => {
                // Cost, block size and parallelism take 1, 5 and 5 characters; the salt follows at once.
                let salted = self.field(11 + MAX_SALT, is_itoa64)?;
                if salted.len() > 11 { self.digest(43, FOUR_BITS) } else { None }
            }
            HashFormat::Yescrypt | HashFormat::GostYescrypt => {
                self.field(MAX_COST, is_itoa64)?;
                self.field(MAX_SALT, is_itoa64)?;
                self.digest(43, FOUR_BITS)
            }
        }
    }

    fn salt(&mut self, longest: usize) -> Option<()> {
        self.field(longest, |byte| byte.is_ascii_graphic() && !b"$:".contains(byte)).map(drop)
    }

    /// A field with something in it, and the `$` behind it.
    fn field(&mut self, longest: usize, fits: impl Fn(&u8) -> bool) -> Option<&[u8]> {
        let len = self.rest.iter().take(longest).take_while(|byte| fits(byte)).count();
        let (field, rest) = self.rest.split_at(len);
        self.rest = rest.strip_prefix(b"$")?;
        (len > 0).then_some(field)
    }

    /// A digest of exactly this length; `last` are the characters that it may end with.
    fn digest(&mut self, len: usize, last: &[u8]) -> Option<()> {
        let (digest, rest) = self.rest.split_at_checked(len)?;
        let goes_on = rest.first().is_some_and(is_itoa64);
        let ends_well = last.is_empty() || last.contains(digest.last()?);
        if goes_on || !ends_well || !digest.iter().all(is_itoa64) || different(digest) < FEWEST_CHARACTERS {
            return None;
        }
        self.rest = rest;
        Some(())
    }
}

fn is_itoa64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"./".contains(byte)
}

fn different(digest: &[u8]) -> usize {
    digest.iter().enumerate().filter(|(at, byte)| !digest[..*at].contains(byte)).count()
}
