//! Plaintext in memory: wiped on drop, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// The plaintext of one secret.
///
/// It wipes itself on drop, has no `Display`, and its `Debug` shows nothing. It never grows:
/// whoever makes one sizes the buffer first, so that no copy stays behind in a buffer that was
/// given back.
#[derive(Clone, PartialEq, Eq)]
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// A buffer of `len` zero bytes, to be filled in place.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self(Zeroizing::new(vec![0; len]))
    }

    /// The plaintext, to read. The one way out.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The plaintext, to fill in place.
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The plaintext as text, or nothing where it is not UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// Takes the buffer over without a copy.
impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Takes the buffer over without a copy.
impl From<String> for Plaintext {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// Takes the buffer over without a copy.
impl From<Zeroizing<String>> for Plaintext {
    fn from(mut text: Zeroizing<String>) -> Self {
        Self::from(std::mem::take(&mut *text))
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_bytes_nor_length() {
        assert_eq!(format!("{:?}", Plaintext::from("abc123".to_owned())), "Plaintext(..)");
    }
}
