//! Names of secrets: paths inside the vault, without `.age`.

use std::{fmt, str::FromStr};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::CIPHERTEXT_SUFFIX;

/// Longest name in bytes. With a mount point before it, it stays well below `PATH_MAX`.
const MAX_BYTES: usize = 1024;
/// Longest part between two slashes in bytes: `NAME_MAX` less the suffix `.age`.
const MAX_PART_BYTES: usize = 255 - CIPHERTEXT_SUFFIX.len();

/// The name of a secret, such as `passwords/root.yesc`: its path in the vault without `.age`,
/// and its path in the mount.
///
/// A name is relative and normalised, and its characters are such that no file system, shell,
/// log or terminal can read it as anything else: ASCII letters, digits and `. _ - + @ = ,`
/// between slashes, no part starting with `-`, no part `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the ciphertext lies, relative to the vault.
    #[must_use]
    pub fn ciphertext_path(&self) -> String {
        format!("{}{CIPHERTEXT_SUFFIX}", self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check(text)
            .map(|()| Self(text.to_owned()))
            .map_err(|why| NameError { name: text.escape_default().to_string(), why })
    }
}

impl TryFrom<String> for SecretName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// A text that is no name of a secret.
#[derive(Debug, Error, Diagnostic)]
#[error("\"{name}\" cannot be the name of a secret: {why}")]
#[diagnostic(help(
    "a name is a path without `.age`, such as passwords/root.txt, of ASCII letters, digits and . _ - + @ = ,"
))]
pub struct NameError {
    name: String,
    why: &'static str,
}

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > MAX_BYTES {
        return Err("it is longer than 1024 bytes");
    }
    if text.ends_with(CIPHERTEXT_SUFFIX) {
        return Err("it ends in .age, which belongs to the file and not to the name");
    }
    text.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), &'static str> {
    match part {
        "" => return Err("it has an empty part (a slash at an end, or two in a row)"),
        "." | ".." => return Err("it has a part . or .."),
        _ => {}
    }
    if part.len() > MAX_PART_BYTES {
        return Err("it has a part of more than 251 bytes");
    }
    if part.starts_with('-') {
        return Err("it has a part that starts with a dash, which commands take for a flag");
    }
    if !part.bytes().all(is_name_byte) {
        return Err("it has a character that is not allowed");
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+@=,".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_names_are_names() {
        for name in ["passwords/root.yesc", "certs/localhost-key.pem", "a", ".env", "a@b/c=d,e+f"] {
            assert_eq!(name.parse::<SecretName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(252);
        for name in [
            "",
            "/etc/passwd",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            ".",
            "a/./b",
            "a\nb",
            "a b",
            "-rf",
            "a/-b",
            "a.age",
            "é",
            "a\0b",
            "a\\b",
            "\u{202e}x",
            &long,
        ] {
            assert!(name.parse::<SecretName>().is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn an_error_never_carries_a_raw_control_character() {
        let error = "a\u{1b}[2Jb\n".parse::<SecretName>().unwrap_err().to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}
