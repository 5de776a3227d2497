//! Asking for a password on the terminal, without echo.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
};

use miette::Diagnostic;
use secrecy::SecretString;
use thiserror::Error;
use vault_format::{
    passphrase::AskPassphrase,
    password::{Password, PasswordError},
};
use zeroize::Zeroizing;

/// Most bytes of an answer to a yes-or-no question.
const MAX_ANSWER: u64 = 64;

/// Asks for the password called `name`, twice. Nothing for an empty answer: generate one.
///
/// # Errors
///
/// If there is no terminal, the two answers differ, or the password is not one that login takes
/// or is weak.
pub fn new_password(name: &str) -> Result<Option<Password>, PromptError> {
    let first = ask(&format!("Password for {name} (empty: generate one): "))?;
    if first.is_empty() {
        return Ok(None);
    }
    let second = ask(&format!("The same again for {name}: "))?;
    if first != second {
        return Err(PromptError::Mismatch(name.to_owned()));
    }
    let password = Password::entered(first).and_then(Password::judge);
    password.map(Some).map_err(|error| PromptError::Password { name: name.to_owned(), error })
}

/// Asks a question on the terminal that `y` or `yes` affirms.
///
/// # Errors
///
/// If there is no terminal.
pub fn confirm(question: &str) -> Result<bool, PromptError> {
    let mut terminal =
        File::options().read(true).write(true).open("/dev/tty").map_err(PromptError::NoTerminal)?;
    terminal.write_all(question.as_bytes()).map_err(PromptError::NoTerminal)?;
    let mut answer = String::new();
    BufReader::new(terminal).take(MAX_ANSWER).read_line(&mut answer).map_err(PromptError::NoTerminal)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for the passphrase of a key file, without echo.
pub struct Terminal<'a> {
    /// The key file.
    pub file: &'a Path,
}

impl AskPassphrase for Terminal<'_> {
    fn passphrase(&self, what: &str) -> Option<SecretString> {
        let answer = rpassword::prompt_password(format!("Passphrase for {what} {}: ", self.file.display()));
        answer.ok().map(SecretString::from)
    }
}

/// The answer is wiped when it is dropped. Typing it into the terminal leaves it in the kernel's
/// line buffer, which we cannot reach.
fn ask(question: &str) -> Result<Zeroizing<String>, PromptError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(PromptError::NoTerminal)
}

/// Why no password was taken. The password is not part of any message.
#[derive(Debug, Error, Diagnostic)]
pub enum PromptError {
    /// Nowhere to ask.
    #[error("there is no terminal to ask on")]
    #[diagnostic(help("run it in a terminal, or add --batch: passwords are then generated"))]
    NoTerminal(#[source] std::io::Error),
    /// Two different answers.
    #[error("the two passwords for {0} differ; nothing was changed")]
    #[diagnostic(help("run the command again, and type the same password twice"))]
    Mismatch(String),
    /// Not acceptable.
    #[error("{name}: {error}; nothing was changed")]
    Password {
        /// Whose password.
        name: String,
        /// What is wrong with it.
        #[diagnostic_source]
        error: PasswordError,
    },
}
