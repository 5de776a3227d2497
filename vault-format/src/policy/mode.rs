//! Permission bits of files that nobody may write or run.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Bits that a file may have without `world-readable = true`: read by owner and group.
const PRIVATE: u16 = 0o440;
/// Bits that a file may have at all: the mount is read-only and runs nothing.
const READABLE: u16 = 0o444;

/// The permission bits of a file in the mount, such as `0400`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u16);

impl Mode {
    /// Read by the owner only: the default.
    pub const OWNER_ONLY: Self = Self(0o400);

    /// The bits.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether everybody may read.
    #[must_use]
    pub fn is_world_readable(self) -> bool {
        self.0 & !PRIVATE != 0
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A text that is no mode of a file in the mount.
#[derive(Debug, Error)]
pub enum ModeError {
    /// Not four octal digits.
    #[error("a mode is four octal digits in quotes, such as \"0400\"")]
    Syntax,
    /// Bits beyond read.
    #[error("the mount is read-only: a mode can give read permission only")]
    TooWide,
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        if text.len() != 4 || !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(ModeError::Syntax);
        }
        let bits = u16::from_str_radix(text, 8).map_err(|_| ModeError::Syntax)?;
        if bits & !READABLE != 0 {
            return Err(ModeError::TooWide);
        }
        Ok(Self(bits))
    }
}
