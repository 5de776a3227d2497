//! Wrong usage that the parser of arguments cannot tell, or must not repeat.

use std::env;

use clap::error::ErrorKind;
use miette::Diagnostic;
use thiserror::Error;

/// The verbs to which somebody may well give a value as an argument.
const TAKE_VALUES: [&str; 6] = ["add", "admin", "odoo-admin", "password", "pgadmin-admin", "root"];

/// What is wrong with the arguments of this process, in words that repeat none of them where they may be
/// a secret; nothing where the parser's own words will do.
#[must_use]
pub fn without_repeating(error: &clap::Error) -> Option<UsageError> {
    let takes_value = || env::args_os().skip(1).find(|word| TAKE_VALUES.iter().any(|verb| word == verb));
    let verb = takes_value().filter(|_| error.use_stderr())?;
    match error.kind() {
        ErrorKind::UnknownArgument
        | ErrorKind::InvalidSubcommand
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::TooManyValues => Some(UsageError::Argument(verb.to_string_lossy().into_owned())),
        _ => None,
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
    /// Several where one is meant.
    #[error("--stdin has one value, for one NAME")]
    #[diagnostic(help("run the command once for each name"))]
    OneName,
    /// Nothing to rotate.
    #[error("nothing says what to rotate")]
    #[diagnostic(help("name secrets, or say --due, --expiring 30d or --older-than 90d"))]
    NothingToRotate,
}
