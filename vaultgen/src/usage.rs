//! Wrong usage that the parser of arguments cannot tell, or must not repeat.

use std::{env, ffi::OsString};

use clap::error::ErrorKind;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::recipient;

/// The verbs to which somebody may well give a value as an argument.
const TAKE_VALUES: [&str; 6] = ["add", "admin", "odoo-admin", "password", "pgadmin-admin", "root"];

/// The flags of all verbs that take a value in the next word.
const FLAGS_WITH_VALUE: [&str; 3] = ["--identity", "--sign-key", "--vault"];

/// What is wrong with the arguments of this process, in words that repeat none of them where they may be
/// a secret; nothing where the parser's own words will do.
#[must_use]
pub fn without_repeating(error: &clap::Error) -> Option<UsageError> {
    if !error.use_stderr() {
        return None;
    }
    if env::args_os().skip(1).any(|word| recipient::is_private(&word.to_string_lossy())) {
        return Some(UsageError::PrivateKey);
    }
    let verb = verb(env::args_os().skip(1)).filter(|verb| TAKE_VALUES.iter().any(|known| verb == known))?;
    match error.kind() {
        ErrorKind::UnknownArgument
        | ErrorKind::InvalidSubcommand
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::TooManyValues => Some(UsageError::Argument(verb.to_string_lossy().into_owned())),
        _ => None,
    }
}

/// The verb: the first word that is neither a flag nor the value of one that all verbs have.
fn verb(mut words: impl Iterator<Item = OsString>) -> Option<OsString> {
    loop {
        let word = words.next()?;
        if FLAGS_WITH_VALUE.iter().any(|flag| word == *flag) {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return Some(word);
        }
    }
}

/// Wrong usage: exit status 2.
#[derive(Debug, Error, Diagnostic)]
pub enum UsageError {
    /// A password where everybody sees it. It is not repeated.
    #[error("a password is never an argument")]
    #[diagnostic(help(
        "if that was one, change it wherever it is in use: the shell's history and the list of processes have it; \
         then run the command without it, and it asks"
    ))]
    PasswordArgument,
    /// Something that the verb does not take. It is not repeated.
    #[error("one of the arguments is not known, or is not what its flag takes")]
    #[diagnostic(help(
        "see `vaultgen {0} --help`; a value is never an argument: if one was, change it wherever it is in use, \
         since the shell's history and the list of processes have it"
    ))]
    Argument(String),
    /// A private key where everybody sees it. It is not repeated.
    #[error("a private key is never an argument")]
    #[diagnostic(help(
        "give its public half, which `age-keygen -y KEYFILE` prints, and replace the key: the shell's history and \
         the list of processes have it"
    ))]
    PrivateKey,
    /// Several where one is meant.
    #[error("--stdin has one value, for one NAME")]
    #[diagnostic(help("run the command once for each name"))]
    OneName,
    /// Nothing to print as JSON.
    #[error("this verb has no result to print as JSON")]
    #[diagnostic(help("`verify`, `status`, `machine list`, `recipients list` and `signers list` have one"))]
    NoJson,
    /// Nothing to rotate.
    #[error("nothing says what to rotate")]
    #[diagnostic(help("name secrets, or say --due, --expiring 30d or --older-than 90d"))]
    NothingToRotate,
}
