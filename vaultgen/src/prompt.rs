//! Asking a person on the terminal: for passwords without echo, and for a yes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use miette::Diagnostic;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use thiserror::Error;
use vault_format::{
    Plaintext, SecretName,
    passphrase::AskPassphrase,
    password::{Password, PasswordError, Strength},
};
use zeroize::Zeroizing;

use crate::signals::{BeforeEnd, ENDING};

const TERMINAL: &str = "/dev/tty";
/// Most bytes of an answer that is shown.
const MAX_ANSWER: u64 = 1_024;

/// Asks for the password called `name`, twice. Nothing for an empty answer: generate one.
///
/// # Errors
///
/// If there is no terminal, the two answers differ, or the password is not one that login takes
/// or is weak.
pub fn new_password(name: &str, strength: Strength) -> Result<Option<Password>, PromptError> {
    let answer = ask_twice(&format!("Password for {name} (empty: generate one): "), name)?;
    answer.map(|text| password(name, strength, text)).transpose()
}

/// Asks for the value of a secret that is one line of any text, twice. Nothing for an empty answer.
///
/// # Errors
///
/// If there is no terminal, or the two answers differ.
pub fn new_value(name: &SecretName) -> Result<Option<Plaintext>, PromptError> {
    let answer = ask_twice(&format!("New value for {name} (empty: none): "), name.as_str())?;
    Ok(answer.map(Plaintext::from))
}

/// A password that was entered, if it can be taken.
///
/// # Errors
///
/// If it is not one that login takes, or weak.
pub fn password(name: &str, strength: Strength, text: Zeroizing<String>) -> Result<Password, PromptError> {
    strength.take(text).map_err(|error| PromptError::Password { name: name.to_owned(), error })
}

/// Asks for the passphrase of `what`, a key file to be made, twice. Nothing for an empty answer: make
/// none.
///
/// # Errors
///
/// As [`new_password`].
pub fn new_passphrase(what: &str) -> Result<Option<SecretString>, PromptError> {
    let answer = ask_twice(&format!("Passphrase for {what} (empty: none): "), what)?;
    let text = |password: &Password| password.plaintext().expose_str().unwrap_or_default().to_owned();
    let answer = answer.map(|text| password(what, Strength::Strong, text)).transpose()?;
    Ok(answer.map(|password| SecretString::from(text(&password))))
}

fn ask_twice(question: &str, name: &str) -> Result<Option<Zeroizing<String>>, PromptError> {
    let first = ask(question)?;
    if first.is_empty() {
        return Ok(None);
    }
    let second = ask(&format!("The same again for {name}: "))?;
    if first != second {
        return Err(PromptError::Mismatch(name.to_owned()));
    }
    Ok(Some(first))
}

/// Asks a question on the terminal that `y` or `yes` affirms.
///
/// # Errors
///
/// If there is no terminal.
pub fn confirm(question: &str) -> Result<bool, PromptError> {
    Ok(matches!(answer(question)?.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line that everybody may see.
///
/// # Errors
///
/// If there is no terminal, or it is closed.
pub fn line(question: &str) -> Result<String, PromptError> {
    let answer = answer(question)?;
    match answer.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(PromptError::NoAnswer(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Asks for something that nobody may see, such as a PIN.
///
/// # Errors
///
/// If there is no terminal, or the answer is no text.
pub fn secret(question: &str) -> Result<SecretString, PromptError> {
    Ok(SecretString::from(std::mem::take(&mut *ask(question)?)))
}

/// A line, with its end; nothing if the terminal was closed.
fn answer(question: &str) -> Result<String, PromptError> {
    let mut terminal = open_terminal()?;
    terminal.write_all(question.as_bytes()).map_err(PromptError::NoAnswer)?;
    let mut answer = String::new();
    BufReader::new(terminal).take(MAX_ANSWER).read_line(&mut answer).map_err(PromptError::NoAnswer)?;
    Ok(answer)
}

/// Asks on the terminal for one of two words, or its first letter, until it gets one: 0 or 1.
///
/// # Errors
///
/// If there is no terminal, or it is closed.
pub fn choose(question: &str, words: [&str; 2]) -> Result<usize, PromptError> {
    loop {
        let answer = answer(question)?;
        if answer.is_empty() {
            return Err(PromptError::NoAnswer(io::ErrorKind::UnexpectedEof.into()));
        }
        let answer = answer.trim().to_ascii_lowercase();
        if let Some(chosen) = words.iter().position(|word| *word == answer || word[..1] == answer) {
            return Ok(chosen);
        }
    }
}

/// The passphrases of key files: each is asked for once a run, also where a key decrypts and signs.
static GIVEN: Mutex<BTreeMap<PathBuf, SecretString>> = Mutex::new(BTreeMap::new());

/// Asks for the passphrase of a key file, without echo.
pub struct Terminal<'a> {
    /// The key file.
    pub file: &'a Path,
}

impl AskPassphrase for Terminal<'_> {
    fn passphrase(&self, what: &str) -> Option<SecretString> {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = given.get(self.file) {
            return Some(passphrase.clone());
        }
        let passphrase = secret(&format!("Passphrase for {what} {}: ", self.file.display())).ok()?;
        given.insert(self.file.to_owned(), passphrase.clone());
        Some(passphrase)
    }
}

/// The answer is wiped when it is dropped. Typing it into the terminal leaves it in the kernel's
/// line buffer, which we cannot reach.
fn ask(question: &str) -> Result<Zeroizing<String>, PromptError> {
    let _quiet = Quiet::keep(open_terminal()?)?;
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(PromptError::NoAnswer)
}

fn open_terminal() -> Result<File, PromptError> {
    File::options().read(true).write(true).open(TERMINAL).map_err(PromptError::NoTerminal)
}

/// While it lives, the terminal does not echo: already when the question appears, so that not even
/// a fast answer is seen. A signal that ends the program gives the echo back first.
struct Quiet {
    terminal: File,
    present: Termios,
    _watch: BeforeEnd,
}

impl Quiet {
    fn keep(terminal: File) -> Result<Self, PromptError> {
        let fault = |errno: rustix::io::Errno| PromptError::NoTerminal(errno.into());
        let present = tcgetattr(&terminal).map_err(fault)?;
        let mut silent = present.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        let (ours, before) = (terminal.try_clone().map_err(PromptError::NoTerminal)?, present.clone());
        let watch = BeforeEnd::of(&ENDING, move || {
            let _ = tcsetattr(&ours, OptionalActions::Now, &before);
        });
        let quiet = Self { terminal, present, _watch: watch.map_err(PromptError::NoAnswer)? };
        tcsetattr(&quiet.terminal, OptionalActions::Now, &silent).map_err(fault)?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.present);
    }
}

/// Why a person gave no usable answer. A password is not part of any message.
#[derive(Debug, Error, Diagnostic)]
pub enum PromptError {
    /// Nowhere to ask.
    #[error("there is no terminal to ask on")]
    #[diagnostic(help("run it in a terminal, or add --batch: passwords are then generated"))]
    NoTerminal(#[source] io::Error),
    /// The terminal was closed, or gave something that is no text.
    #[error("there was no readable answer; nothing was changed")]
    #[diagnostic(help("answer with a line of UTF-8 text"))]
    NoAnswer(#[source] io::Error),
    /// Two different answers.
    #[error("the two passwords for {0} differ; nothing was changed")]
    #[diagnostic(help("run the command again, and type the same twice"))]
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
