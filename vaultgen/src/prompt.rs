//! Asking for a password on the terminal, without echo.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::password::{Password, PasswordError};
use zeroize::Zeroizing;

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

/// The answer is wiped when it is dropped. Typing it into the terminal leaves it in the kernel's
/// line buffer, which we cannot reach.
fn ask(question: &str) -> Result<Zeroizing<String>, PromptError> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(PromptError::NoTerminal)
}

/// Why no password was taken. The password is not part of any message.
#[derive(Debug, Error, Diagnostic)]
pub enum PromptError {
    /// Nowhere to ask.
    #[error("there is no terminal to ask for passwords on")]
    #[diagnostic(help("add --batch to have all of them generated"))]
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
