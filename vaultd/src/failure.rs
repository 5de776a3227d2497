//! How a failed command ends: what went wrong, and the next step.

use std::error::Error;
use std::fmt;

/// Errors that know what the operator should do next.
pub trait Hint: Error {
    /// The next step, if there is an obvious one.
    fn hint(&self) -> Option<String>;
}

/// What a command reports when it fails. Holds no plaintext, like every error of this crate.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure that needs no hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same failure with the next step to take.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl<E: Hint> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            message: chain(&error),
            hint: error.hint(),
        }
    }
}

/// As printed on standard error, without the final newline.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn prints_the_next_step_on_its_own_line() {
        let failure = Failure::new("no vault").with_hint("make one");
        assert_eq!(failure.to_string(), "error: no vault\n  hint: make one");
    }
}
