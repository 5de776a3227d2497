//! Names of secrets: paths inside the vault, without `.age`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{CIPHERTEXT_SUFFIX, transaction::STAGING};

/// Longest name in bytes. With a mount point before it, it stays well below `PATH_MAX`.
const MAX_BYTES: usize = 1024;
/// Longest part between two slashes in bytes: `NAME_MAX` less the suffix `.age`.
const MAX_PART_BYTES: usize = 255 - CIPHERTEXT_SUFFIX.len();
/// How the name of a certificate ends that has a private key in the vault.
const CERTIFICATE_SUFFIX: &str = "-cert.pem";
/// How the name of its private key ends.
const KEY_SUFFIX: &str = "-key.pem";

/// Folders in a vault that may be there and hold nothing of it. Some file systems do not tell case.
const OTHERS: [&str; 2] = [".git", STAGING];

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

    /// What a certificate and its private key have in common: `X` of `X-cert.pem` and `X-key.pem`.
    #[must_use]
    pub fn pair(&self) -> Option<&str> {
        self.0.strip_suffix(CERTIFICATE_SUFFIX).or_else(|| self.0.strip_suffix(KEY_SUFFIX))
    }

    /// The certificate to this private key, by its name.
    #[must_use]
    pub fn certificate_of_key(&self) -> Option<Self> {
        self.0.strip_suffix(KEY_SUFFIX).map(|pair| Self(format!("{pair}{CERTIFICATE_SUFFIX}")))
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
    let first = text.split('/').next().unwrap_or_default();
    if OTHERS.iter().any(|other| other.eq_ignore_ascii_case(first)) {
        return Err("it lies in a folder that belongs to Git or to a change under way");
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

/// What two names have in common that stand for the same path where case does not count. It is
/// ordered so that what lies below a path directly follows it: no name has a byte below `/`'s
/// stand-in.
pub(crate) fn path_order(name: &str) -> String {
    name.chars().map(|letter| if letter == '/' { '\0' } else { letter.to_ascii_lowercase() }).collect()
}

/// Each path, keyed by its [`path_order`], that lies below another one, which is a file; with
/// that other one.
pub(crate) fn below_files<T>(paths: &BTreeMap<String, T>) -> impl Iterator<Item = (&T, &T)> {
    let mut file: Option<(&String, &T)> = None;
    paths.iter().filter_map(move |(key, path)| {
        let above = file
            .filter(|(file, _)| key.strip_prefix(file.as_str()).is_some_and(|rest| rest.starts_with('\0')));
        if above.is_none() {
            file = Some((key, path));
        }
        above.map(|(_, file)| (path, file))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ".git/config",
            ".GIT",
            ".vaultgen/files/a",
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

    proptest! {
        #[test]
        fn every_name_round_trips(parts in proptest::collection::vec("[A-Za-z0-9_+@=,][A-Za-z0-9._+@=,-]{0,40}", 1..12)) {
            let text = parts.join("/");
            match text.parse::<SecretName>() {
                Ok(name) => {
                    prop_assert_eq!(name.as_str(), &text);
                    prop_assert_eq!(name.ciphertext_path(), format!("{text}.age"));
                    prop_assert_eq!(String::from(name.clone()).parse::<SecretName>().unwrap(), name);
                }
                Err(_) => prop_assert!(text.ends_with(".age")),
            }
        }

        #[test]
        fn one_strange_character_anywhere_is_refused(
            before in "[a-z]{0,3}",
            strange in "[^A-Za-z0-9._\\-+@=,/]",
            after in "[a-z]{0,3}",
        ) {
            let error = format!("{before}{strange}{after}").parse::<SecretName>().unwrap_err().to_string();
            prop_assert!(error.is_ascii() && !error.contains(|c: char| c.is_ascii_control()));
        }
    }
}
