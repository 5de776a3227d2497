//! Words of a POSIX shell, sh(1), quoted by the crate `shlex`; not for interactive ones, where history expansion
//! comes first.

use super::Unwritable;

/// How an error names this format.
const FORMAT: &str = "a shell script";

/// One word, which the shell expands to `value`, whatever is in it.
///
/// # Errors
///
/// [`Unwritable`] if it holds a NUL, which no argument of a program does.
pub fn word(value: &str) -> Result<String, Unwritable> {
    let quoted = shlex::try_quote(value).map_err(|_| Unwritable::new(FORMAT, value, "it holds a NUL"))?;
    Ok(quoted.into_owned())
}

/// A command line of several words.
///
/// # Errors
///
/// [`Unwritable`] as for [`word`].
pub fn words<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Result<String, Unwritable> {
    let words: Result<Vec<String>, Unwritable> =
        values.into_iter().map(|value| word(value.as_ref())).collect();
    Ok(words?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::{word, words};

    #[test]
    fn a_plain_word_stays_plain() {
        assert_eq!(word("/etc/odoo.conf").expect("a word"), "/etc/odoo.conf");
    }

    #[test]
    fn nothing_is_expanded() {
        assert_eq!(word("$(id) `id` *").expect("a word"), "'$(id) `id` *'");
        assert_eq!(words(["echo", "it's", ""]).expect("words"), r#"echo "it's" ''"#);
    }

    #[test]
    fn a_nul_is_refused() {
        assert_eq!(word("a\0b").expect_err("not a word").reason, "it holds a NUL");
    }
}
