//! Assignments of a configuration file in Python, such as PgAdmin's `config_local.py` ("Literals" in Python's
//! language reference). A string of JSON, which `serde_json` writes, means the same in Python, so that every text
//! can be written.
//!
//! ```
//! use deploy::formats::python::{Value, assignment};
//!
//! assert_eq!(assignment("SERVER_MODE", true), "SERVER_MODE = True\n");
//! assert_eq!(assignment("NAMES", vec!["it's", "a\n"]), "NAMES = [\"it's\", \"a\\n\"]\n");
//! ```

use std::fmt::{self, Display, Formatter};

/// A value that Python has a literal for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string, of any characters.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `True` or `False`.
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::Number(value.into())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// The literal.
impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Number(number) => write!(f, "{number}"),
            Self::Boolean(true) => f.write_str("True"),
            Self::Boolean(false) => f.write_str("False"),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// A line that gives `name` the value, with its newline.
#[must_use]
pub fn assignment(name: &'static str, value: impl Into<Value>) -> String {
    format!("{name} = {}\n", value.into())
}

#[cfg(test)]
mod tests {
    use super::{Value, assignment};

    #[test]
    fn each_kind_has_its_literal() {
        assert_eq!(assignment("A", false), "A = False\n");
        assert_eq!(assignment("A", -5_i64), "A = -5\n");
        assert_eq!(assignment("A", vec![Value::from("b"), Value::from(true)]), "A = [\"b\", True]\n");
    }

    #[test]
    fn a_string_stays_on_its_line() {
        assert_eq!(assignment("A", "\"\\\n\r\0é"), "A = \"\\\"\\\\\\n\\r\\u0000é\"\n");
    }

    #[test]
    fn nothing_is_formatted_or_evaluated() {
        assert_eq!(assignment("A", "%s {x} ' + 1"), "A = \"%s {x} ' + 1\"\n");
    }
}
